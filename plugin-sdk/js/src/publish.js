/** Stages an event with the host. */

import { publish as stage } from "#host";
import { PublishError, clean } from "./failure.js";
import { toPayload } from "./payload.js";

const CODES = ["denied", "invalid", "over-limit"];

export function publish(topic, data, extensions = {}) {
  if (typeof topic !== "string") throw new TypeError("publish: the topic must be a string");
  if (data === undefined) throw new TypeError(`publish on \`${topic}\`: no data; null and text("") are data`);
  const pairs = Object.entries(extensions).map(([name, value]) => [clean(name), clean(value)]);
  const payload = toPayload(data);
  try {
    return stage(clean(topic), payload, pairs);
  } catch (error) {
    throw CODES.includes(error?.payload?.tag) ? new PublishError(topic, error.payload.tag, error.payload.val) : error;
  }
}
