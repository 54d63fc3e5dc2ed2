/** One live instance of a plugin: what the host calls, in terms of what its author wrote. The same natively as in a component. */

import { DEFINITION, checkHandlers } from "./plugin.js";
import { Reject, clean, failureOf, isChosen, reasonOf, traceOf } from "./failure.js";
import { Event } from "./event.js";
import { log } from "./log.js";
import { matches } from "./topic.js";
import { toPayload } from "./payload.js";

export class Instance {
  #definition;
  #handlers;

  constructor(definition) {
    if (definition?.[DEFINITION] !== true) {
      throw new TypeError("the module must say `export default plugin(…)`, with `plugin` from \"plugbus\"");
    }
    this.#definition = definition;
  }

  /** Makes the handlers; the filters, or throws the text of what is wrong. */
  init(configJson) {
    try {
      const handlers = this.#definition.make(JSON.parse(configJson));
      if (isPromise(handlers)) throw new TypeError("the plugin is set up by a promise: nothing is asynchronous here");
      this.#handlers = Object.entries(checkHandlers(handlers));
      return this.#handlers.map(([filter]) => clean(filter));
    } catch (error) {
      if (!isChosen(error)) log.error(traceOf(error));
      throw reasonOf(error);
    }
  }

  /** Handles one event of the contract; the reply as a payload of the contract, or none. Throws a `failure` of the contract. */
  handle(wire) {
    const event = new Event(wire);
    try {
      const reply = this.#handlerOf(event.topic)(event);
      if (isPromise(reply)) {
        throw new TypeError("the handler returned a promise: handlers are synchronous, and so is all that they call");
      }
      return reply === undefined ? undefined : toPayload(reply);
    } catch (error) {
      throw this.#failure(error, event);
    }
  }

  /** The first that matches. A single one gets whatever the manifest's filters let through. */
  #handlerOf(topic) {
    if (this.#handlers.length === 1) return this.#handlers[0][1];
    const found = this.#handlers.find(([filter]) => matches(filter, topic));
    if (found === undefined) throw new Reject(`the plugin has no handler for \`${topic}\``);
    return found[1];
  }

  #failure(error, event) {
    if (isChosen(error)) return failureOf(error);
    log.error(traceOf(error));
    try {
      const chosen = this.#definition.onError?.(error, event);
      return failureOf(isChosen(chosen) ? chosen : error);
    } catch (worse) {
      if (!isChosen(worse)) log.error(traceOf(worse));
      return failureOf(worse);
    }
  }
}

const isPromise = (value) => typeof value?.then === "function";
