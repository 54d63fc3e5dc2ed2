/** How a handler says no, and what becomes of anything else that it throws. */

const DAY_MS = 24 * 60 * 60 * 1000;

export class Retry extends Error {
  constructor(reason, { afterMs, ...options } = {}) {
    super(reason, options);
    if (afterMs !== undefined && !(Number.isFinite(afterMs) && afterMs >= 0)) {
      throw new RangeError(`Retry: afterMs must be a number of milliseconds from 0 on, not ${afterMs}`);
    }
    this.afterMs = afterMs === undefined ? undefined : Math.min(Math.ceil(afterMs), DAY_MS);
  }
}

export class Reject extends Error {}

export class PublishError extends Error {
  constructor(topic, code, detail) {
    super(`publish on \`${topic}\`: ${code}: ${detail}`);
    this.topic = topic;
    this.code = code;
    this.detail = detail;
  }
}

export class HttpError extends Error {
  constructor(code, detail) {
    super(`http: ${code}: ${detail}`);
    this.code = code;
    /** Whether the same request may fare better later. */
    this.isTransient = code === "timed-out" || code === "connection";
  }
}

export class StoreError extends Error {
  constructor(code, detail) {
    super(`store: ${code}${detail ? `: ${detail}` : ""}`);
    this.code = code;
    /** Others may have made room by then. */
    this.isTransient = code === "other";
  }
}

for (const kind of [Retry, Reject, PublishError, HttpError, StoreError]) {
  Object.defineProperty(kind.prototype, "name", { value: kind.name, configurable: true, writable: true });
}

/** Whether the handler itself chose what becomes of the event. */
export const isChosen = (error) => error instanceof Retry || error instanceof Reject;

/** What an error means for the event: a `failure` of the contract. */
export function failureOf(error) {
  if (error instanceof Retry) {
    return { tag: "retry", val: { reason: clean(error.message), afterMs: error.afterMs ?? null } };
  }
  if ((error instanceof HttpError || error instanceof StoreError) && error.isTransient) {
    return { tag: "retry", val: { reason: clean(error.message), afterMs: null } };
  }
  return { tag: "reject", val: reasonOf(error) };
}

/** The error in a line, with its name where that says something. */
export function reasonOf(error) {
  if (!(error instanceof Error)) return clean(`thrown: ${shown(error)}`);
  const named = ["Error", "Reject", "PublishError", "HttpError", "StoreError"].includes(error.name);
  return clean(named ? error.message || error.name : `${error.name}: ${error.message}`);
}

/** The error with where it happened and its causes, for the log. */
export function traceOf(error) {
  if (!(error instanceof Error)) return reasonOf(error);
  const stack = String(error.stack ?? "").trimEnd();
  const head = `${error.name}: ${error.message}`;
  const trace = stack.startsWith(error.name) ? stack : stack === "" ? head : `${head}\n${stack}`;
  return clean(error.cause === undefined ? trace : `${trace}\ncaused by ${reasonOf(error.cause)}`);
}

/** Text that crosses the border is valid Unicode: half of a surrogate pair becomes U+FFFD. */
export const clean = (text) => String(text).toWellFormed();

function shown(value) {
  try {
    return typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  } catch {
    return Object.prototype.toString.call(value);
  }
}
