/** Lines for the plugin's log. */

import { log as write } from "#host";
import { clean, traceOf } from "./failure.js";

const LEVELS = ["trace", "debug", "info", "warn", "error", "critical"];

const line = (level) => (message, context = "") => write(level, clean(context), asText(message));

export const log = Object.freeze(Object.fromEntries(LEVELS.map((level) => [level, line(level)])));

/** Any value in a line: text as it is, an error with its stack, everything else as JSON where it has such a form. */
export function asText(value) {
  if (typeof value === "string") return clean(value);
  if (value instanceof Error) return traceOf(value);
  try {
    return clean(JSON.stringify(value) ?? value);
  } catch {
    return clean(Object.prototype.toString.call(value));
  }
}
