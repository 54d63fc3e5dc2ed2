/** An event that left the plugin, for a test to look at. */

import { Data } from "../payload.js";

export class Published extends Data {
  constructor({ id, topic, subject, payload, extensions }) {
    super(payload);
    this.id = id;
    this.topic = topic;
    this.subject = subject;
    this.extensions = Object.fromEntries(extensions);
  }
}
