/** A small client for HTTP; the documentation is in `http.d.ts`. */

import { send } from "#http";
import { HttpError, Reject, clean } from "./failure.js";
import { decodeLossy, encode } from "./utf8.js";

export { HttpError } from "./failure.js";

/** Below the 5 s that a handler has by default. */
const TIMEOUT_MS = 4000;
const RESPONSE_BYTES_MAX = 64 * 1024;
/** A token of RFC 9110. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/i;
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

export function request(url, options = {}) {
  const { method = "GET", timeoutMs = TIMEOUT_MS, responseBytesMax = RESPONSE_BYTES_MAX } = options;
  const target = parseUrl(url);
  if (!TOKEN.test(method)) throw new HttpError("invalid", `\`${method}\` is not a method`);
  for (const [name, value] of [["timeoutMs", timeoutMs], ["responseBytesMax", responseBytesMax]]) {
    if (!(Number.isFinite(value) && value >= 0)) throw new HttpError("invalid", `${name} must be a number from 0 on, not ${value}`);
  }
  const { body, contentType } = bodyOf(options.body);
  const headers = Object.entries(options.headers ?? {}).map(([name, value]) => header(name, value));
  const has = (wanted) => headers.some(([name]) => name === wanted);
  if (contentType !== undefined && !has("content-type")) headers.push(["content-type", contentType]);
  if (!has("content-length") && (body.length > 0 || ["POST", "PUT", "PATCH"].includes(method))) {
    headers.push(["content-length", String(body.length)]);
  }
  return new Response(send({ method, ...target, url, headers, body, timeoutMs, responseBytesMax }));
}

export function checkUrl(url) {
  parseUrl(url);
}

export class Response {
  #body;

  constructor({ status, headers, body, isCut }) {
    this.status = status;
    this.isCut = isCut;
    this.#body = body;
    this.headers = Object.create(null);
    for (const [name, value] of headers) {
      const key = name.toLowerCase();
      this.headers[key] = key in this.headers ? `${this.headers[key]}, ${value}` : value;
    }
  }

  get ok() {
    return this.status >= 200 && this.status < 300;
  }

  get bytes() {
    return this.#body;
  }

  get text() {
    return decodeLossy(this.#body);
  }

  get data() {
    try {
      return JSON.parse(this.text);
    } catch (cause) {
      throw new Reject(`the response${this.isCut ? " (cut)" : ""} is no JSON: ${cause.message}`, { cause });
    }
  }
}

function parseUrl(url) {
  const bad = (problem) => new HttpError("invalid", `URL \`${String(url).slice(0, 200)}\` ${problem}`);
  if (typeof url !== "string") throw bad("is no text");
  const [strange] = url.match(/[^\x21-\x7e]/) ?? [];
  if (strange !== undefined) throw bad(`has ${JSON.stringify(strange)}; percent-encode it`);
  const [, scheme, authority, rest] = url.match(/^(https?):\/\/([^/?#]*)([^#]*)/i) ?? [];
  if (scheme === undefined) throw bad("must begin with http:// or https://");
  if (authority === "" || authority.startsWith(":")) throw bad("has no host");
  if (authority.includes("@")) throw bad("has a user name or password; use an `authorization` header");
  return { isHttps: scheme.toLowerCase() === "https", authority, path: rest.startsWith("/") ? rest : `/${rest}` };
}

function bodyOf(body) {
  if (body === undefined) return { body: new Uint8Array() };
  if (typeof body === "string") return { body: encode(body) };
  if (body instanceof Uint8Array) return { body };
  const json = JSON.stringify(body);
  if (json === undefined) throw new TypeError("request: the body has no JSON form");
  return { body: encode(json), contentType: "application/json" };
}

function header(name, value) {
  if (!TOKEN.test(name)) throw new HttpError("invalid", `\`${name}\` is not the name of a header`);
  if (CONTROL.test(value)) throw new HttpError("invalid", `header \`${name}\` has a control character in its value`);
  return [name.toLowerCase(), clean(value)];
}
