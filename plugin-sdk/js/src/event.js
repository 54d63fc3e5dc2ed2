/** An event as its handler sees it. */

import { Data } from "./payload.js";

export class Event extends Data {
  #timeNs;
  #extensions;

  constructor({ id, source, topic, subject, timeNs, payload, extensions, attempt }) {
    super(payload);
    this.id = id;
    this.source = source;
    this.topic = topic;
    this.subject = subject ?? undefined;
    this.attempt = attempt;
    this.#timeNs = timeNs;
    this.#extensions = extensions;
  }

  get time() {
    return new Date(Number(this.#timeNs) / 1e6);
  }

  get extensions() {
    return Object.assign(Object.create(null), Object.fromEntries(this.#extensions));
  }
}
