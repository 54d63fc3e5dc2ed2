/** Data on its way out, and the readers of data that came in. */

import { Reject, clean } from "./failure.js";
import { byteLength, decode, encode } from "./utf8.js";

/** Data with its media type: what `text` and `payload` make, and what the contract calls a payload. */
class Payload {
  constructor(contentType, body) {
    this.contentType = contentType;
    this.body = body;
    Object.freeze(this);
  }
}

export const text = (content) => payload("text/plain", String(content));

export function payload(contentType, content) {
  if (typeof contentType !== "string") throw new TypeError("payload: the content type must be a string");
  if (typeof content === "string") return new Payload(clean(contentType), { tag: "text", val: clean(content) });
  const bytes = bytesOf(content);
  if (bytes === undefined) throw new TypeError("payload: the content must be a string or bytes (Uint8Array)");
  return new Payload(clean(contentType), { tag: "bytes", val: bytes });
}

/** Any value as a payload: bytes as bytes, what `text` and `payload` made as it is, everything else as JSON. */
export function toPayload(value) {
  if (value instanceof Payload) return value;
  const bytes = bytesOf(value);
  if (bytes !== undefined) return new Payload("application/octet-stream", { tag: "bytes", val: bytes });
  const json = JSON.stringify(value);
  if (json === undefined) throw new TypeError(`a value of type ${typeof value} has no JSON form`);
  return new Payload("application/json", { tag: "text", val: clean(json) });
}

function bytesOf(value) {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return undefined;
}

/** What came in, read in whichever form is asked for; JSON is parsed once. */
export class Data {
  #body;
  #parsed;
  #isParsed = false;

  constructor({ contentType, body }) {
    this.contentType = contentType;
    this.#body = body;
  }

  get data() {
    if (!this.#isParsed) {
      this.#parsed = parse(this.#body);
      this.#isParsed = true;
    }
    return this.#parsed;
  }

  get text() {
    const { tag, val } = this.#body;
    if (tag === "text") return val;
    try {
      return decode(val);
    } catch {
      throw new Reject(`the data is no text: its ${val.length} bytes are no UTF-8`);
    }
  }

  get bytes() {
    const { tag, val } = this.#body;
    return tag === "text" ? encode(val) : val;
  }

  get byteLength() {
    const { tag, val } = this.#body;
    return tag === "text" ? byteLength(val) : val.length;
  }
}

function parse({ tag, val }) {
  // The host hands over text whenever the data is UTF-8, and JSON always is.
  if (tag === "bytes") throw new Reject(`the data is no JSON: its ${val.length} bytes are no UTF-8`);
  try {
    return JSON.parse(val);
  } catch (error) {
    throw new Reject(`the data is no JSON: ${error.message}`, { cause: error });
  }
}
