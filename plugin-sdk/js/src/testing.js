/** Runs a plugin natively, without WebAssembly, and shows what it did; the documentation is in `testing.d.ts`. */

import { Data, text, toPayload } from "./payload.js";
import { Instance } from "./instance.js";
import { Recorder } from "./testing/recorder.js";
import { matches } from "./topic.js";
import { withRecorder } from "./testing/host.js";

const FILTERS_MAX = 64;

export function host(definition, options) {
  return new TestHost(definition, options);
}

export class TestHost {
  #instance;
  #recorder;
  #definition;
  #count = 0;

  constructor(definition, { config = {}, publish = [">"], limits = {}, http } = {}) {
    this.#definition = definition;
    this.#recorder = new Recorder({ publish, limits: { publishesMax: 64, publishBytes: 1024 * 1024, ...limits }, http });
    this.reload(config);
  }

  reload(config = {}) {
    const instance = new Instance(this.#definition);
    try {
      // As on the host, where it comes out of the manifest.
      this.filters = withRecorder(this.#recorder, () => instance.init(JSON.stringify(config)));
    } catch (reason) {
      throw reason instanceof Error ? reason : new Error(reason);
    } finally {
      this.#recorder.forget();
    }
    const { length } = this.filters;
    if (length < 1 || length > FILTERS_MAX) throw new Error(`the plugin has ${length} filters; 1 to ${FILTERS_MAX} are allowed`);
    this.#instance = instance;
  }

  subscribesTo(topic) {
    return this.filters.some((filter) => matches(filter, topic));
  }

  send(topic, data, attributes = {}) {
    const event = this.#wire(topic, data, attributes);
    this.#recorder.begin(event);
    try {
      const reply = withRecorder(this.#recorder, () => this.#instance.handle(event));
      this.#recorder.release();
      return reply === undefined ? { outcome: "acked" } : { outcome: "acked", reply: new Data(reply) };
    } catch (failure) {
      this.#recorder.forget();
      return outcomeOf(failure);
    }
  }

  get published() {
    return this.#recorder.published;
  }

  takePublished() {
    return this.#recorder.published.splice(0);
  }

  get logs() {
    return this.#recorder.logs;
  }

  get requests() {
    return this.#recorder.requests;
  }

  #wire(topic, data, { id, source = "test", subject, time = new Date(), extensions = {}, attempt = 1, contentType }) {
    const { contentType: own, body } = data === undefined ? { ...text(""), contentType: "" } : toPayload(data);
    this.#count += 1;
    return {
      id: id ?? `test-${this.#count}`,
      source,
      topic,
      subject: subject ?? null,
      timeNs: time.getTime() * 1e6,
      payload: { contentType: contentType ?? own, body: handedOver(body) },
      extensions: Object.entries(extensions).sort(([a], [b]) => (a < b ? -1 : 1)),
      attempt,
    };
  }
}

/** The host hands over text whenever the data is UTF-8. */
function handedOver(body) {
  if (body.tag === "text") return body;
  try {
    return { tag: "text", val: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body.val) };
  } catch {
    return body;
  }
}

function outcomeOf(failure) {
  switch (failure?.tag) {
    case "reject":
      return { outcome: "reject", reason: failure.val };
    case "retry": {
      const { reason, afterMs } = failure.val;
      return afterMs === null ? { outcome: "retry", reason } : { outcome: "retry", reason, afterMs };
    }
    default:
      throw failure;
  }
}
