/** What a plugin remembers; the documentation is in `store.d.ts`. */

import { open } from "#store";
import { StoreError, clean } from "./failure.js";
import { decode, encode } from "./utf8.js";

export { StoreError } from "./failure.js";

const CODES = ["no-such-store", "access-denied", "other"];

export class Bucket {
  #name;
  #handle;

  constructor(name = "") {
    this.#name = clean(name);
  }

  get(key) {
    const bytes = this.getBytes(key);
    if (bytes === undefined) return undefined;
    try {
      return JSON.parse(decode(bytes));
    } catch (cause) {
      throw new Error(`store: the value of key ${JSON.stringify(key)} is no JSON: ${cause.message}`, { cause });
    }
  }

  set(key, value) {
    const json = JSON.stringify(value);
    if (json === undefined) throw new TypeError(`store: the value for key ${JSON.stringify(key)} has no JSON form`);
    this.setBytes(key, encode(json));
  }

  getBytes(key) {
    const bytes = this.#ask((handle) => handle.get(clean(key)));
    return bytes === null || bytes === undefined ? undefined : Uint8Array.from(bytes);
  }

  setBytes(key, bytes) {
    if (!(bytes instanceof Uint8Array)) throw new TypeError("store: the bytes must be a Uint8Array");
    this.#ask((handle) => handle.set(clean(key), bytes));
  }

  has(key) {
    return this.#ask((handle) => handle.exists(clean(key)));
  }

  delete(key) {
    this.#ask((handle) => handle.delete(clean(key)));
  }

  increment(key, delta = 1) {
    if (!(Number.isSafeInteger(delta) && delta >= 0)) {
      throw new RangeError(`store: a key is incremented by a whole number from 0 on, not ${delta}`);
    }
    return this.#ask((handle) => handle.increment(clean(key), delta));
  }

  keys() {
    return this.#ask((handle) => handle.keys());
  }

  /** Opened when it is first used: the top level of a module runs before there is a store. */
  #ask(run) {
    try {
      this.#handle ??= open(this.#name);
      return run(this.#handle);
    } catch (error) {
      const { tag, val } = error?.payload ?? {};
      throw CODES.includes(tag) ? new StoreError(tag, val ?? "") : error;
    }
  }
}

export const store = new Bucket();
