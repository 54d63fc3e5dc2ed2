/** What the testing host remembers, and the rules that it checks as the real one does. */

import { byteLength } from "../utf8.js";
import { matches } from "../topic.js";
import { Memory } from "./memory.js";
import { Published } from "./published.js";
import { refusal } from "./refusal.js";

const CONTROL = /[\x00-\x1f\x7f]/;
/** The attributes of CloudEvents, which no extension may be called. */
const ATTRIBUTES = ["id", "source", "specversion", "type", "datacontenttype", "subject", "time", "data", "database64"];
const DATA_BYTES_MAX = 1024 * 1024;

export class Recorder {
  published = [];
  logs = [];
  requests = [];
  #memory = new Memory();
  #grants;
  #limits;
  #server;
  #staged = [];
  #stagedBytes = 0;
  #cause;

  constructor({ publish, limits, http }) {
    this.#grants = publish;
    this.#limits = limits;
    this.#server = http;
  }

  /** An event is about to be handled. */
  begin(cause) {
    this.#cause = cause;
  }

  /** The handler acked. */
  release() {
    this.#memory.commit();
    this.published.push(...this.#staged);
    this.forget();
  }

  /** The handler failed, or the set-up is over. */
  forget() {
    this.#memory.forget();
    this.#staged = [];
    this.#stagedBytes = 0;
    this.#cause = undefined;
  }

  publish(topic, payload, own) {
    if (this.#cause === undefined) throw refusal("denied", "publishing is not allowed while the plugin is set up");
    const { subject } = this.#cause;
    // Before the checks, as on the host: what is passed on counts.
    const parent = this.#cause.extensions.filter(([name]) => name === "traceparent" && !own.some(([mine]) => mine === name));
    const extensions = [...own, ...parent];
    const problem = problemOf(topic, payload, extensions);
    if (problem !== undefined) throw refusal("invalid", problem);
    if (topic.split(".")[0] === "plugbus") throw refusal("denied", `topic \`${topic}\` is the host's own`);
    if (!this.#grants.some((filter) => matches(filter, topic))) {
      throw refusal("denied", `the \`publish\` filters of the manifest do not cover \`${topic}\``);
    }
    const text = [topic, payload.contentType, ...extensions.flat()];
    const bytes = this.#stagedBytes + sizeOf(payload.body) + text.reduce((sum, part) => sum + byteLength(part), 0);
    const count = this.#staged.length + 1;
    const { publishesMax, publishBytes } = this.#limits;
    if (count > publishesMax || bytes > publishBytes) {
      throw refusal("over-limit", `at most ${publishesMax} events and ${publishBytes} bytes; this would be ${count} and ${bytes}`);
    }
    const id = `${this.#cause.id}/${count}`;
    this.#stagedBytes = bytes;
    this.#staged.push(new Published({ id, topic, subject, payload, extensions }));
    return id;
  }

  log(level, context, message) {
    this.logs.push({ level, context, message });
  }

  http(request) {
    if (this.#server === undefined) throw new Error("the test has no server: give the host one, { http: (request) => … }");
    this.requests.push(request);
    const { status = 200, headers = {}, body = "" } = this.#server(request) ?? {};
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const isCut = bytes.length > request.responseBytesMax;
    return { status, headers: Object.entries(headers), body: bytes.subarray(0, request.responseBytesMax), isCut };
  }

  bucket(name) {
    if (this.#cause === undefined) throw refusal("other", "the store is not there while the plugin is set up");
    return this.#memory.bucket(name);
  }
}

const sizeOf = ({ tag, val }) => (tag === "text" ? byteLength(val) : val.length);

/** What is wrong with an event that a plugin wants to publish. */
function problemOf(topic, { contentType, body }, extensions) {
  const tokens = topic.split(".");
  if (byteLength(topic) > 255 || tokens.length > 16) return `topic \`${topic}\` is longer than 255 bytes or 16 tokens`;
  if (tokens.includes("") || /[\s*>\x00-\x1f\x7f]/.test(topic)) return `topic \`${topic}\` has an empty token, white space, * or >`;
  if (byteLength(contentType) > 255 || CONTROL.test(contentType)) return "the content type is over 255 bytes or has a control character";
  if (sizeOf(body) > DATA_BYTES_MAX) return `data has ${sizeOf(body)} bytes; at most ${DATA_BYTES_MAX} are allowed`;
  if (extensions.length > 32) return `${extensions.length} extensions; at most 32 are allowed`;
  for (const [name, value] of extensions) {
    if (!/^[a-z0-9]{1,20}$/.test(name) || ATTRIBUTES.includes(name)) {
      return `extension \`${name}\`: its name must be 1 to 20 of a-z and 0-9, and no attribute of CloudEvents`;
    }
    if (byteLength(value) > 4096 || CONTROL.test(value)) {
      return `extension \`${name}\`: its value is over 4096 bytes or has a control character`;
    }
  }
  return undefined;
}
