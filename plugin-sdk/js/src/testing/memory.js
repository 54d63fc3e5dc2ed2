/** The store of a plugin under test, by the host's rules. */

import { decode, encode, byteLength } from "../utf8.js";
import { refusal } from "./refusal.js";

/** As on the host. */
const NAME_BYTES_MAX = 64;
const KEY_BYTES_MAX = 256;
const VALUE_BYTES_MAX = 64 * 1024;
const STORE_BYTES_MAX = 16 * 1024 * 1024;
/** What a pair costs beside its own bytes. */
const PAIR_BYTES = 64;

export class Memory {
  #committed = new Map();
  #staged = new Map();

  bucket(name) {
    if (byteLength(name) > NAME_BYTES_MAX || /[\x00-\x1f\x7f]/.test(name)) throw refusal("no-such-store");
    const prefix = `${name || "default"}\n`;
    return {
      get: (key) => this.#get(place(prefix, key)),
      set: (key, value) => this.#set(place(prefix, key), value),
      delete: (key) => void this.#staged.set(place(prefix, key), undefined),
      increment: (key, delta) => this.#increment(place(prefix, key), delta),
      keys: () => this.#keys().filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length)),
    };
  }

  commit() {
    for (const [key, value] of this.#staged) {
      if (value === undefined) this.#committed.delete(key);
      else this.#committed.set(key, value);
    }
    this.forget();
  }

  forget() {
    this.#staged.clear();
  }

  #get(key) {
    return this.#staged.has(key) ? this.#staged.get(key) : this.#committed.get(key);
  }

  #set(key, value) {
    if (value.length > VALUE_BYTES_MAX) {
      throw refusal("other", `a value of ${value.length} bytes; at most ${VALUE_BYTES_MAX} are allowed (kv_value_bytes)`);
    }
    const had = this.#staged.has(key);
    const before = this.#staged.get(key);
    this.#staged.set(key, value);
    const bytes = this.#keys().reduce((sum, key) => sum + byteLength(key) - 1 + this.#get(key).length + PAIR_BYTES, 0);
    if (bytes > STORE_BYTES_MAX) {
      if (had) this.#staged.set(key, before);
      else this.#staged.delete(key);
      throw refusal("other", `the store would have ${bytes} bytes; at most ${STORE_BYTES_MAX} are allowed (kv_bytes)`);
    }
  }

  #increment(key, delta) {
    const value = this.#get(key);
    const digits = value === undefined ? "0" : decode(value);
    if (!/^[0-9]{1,15}$/.test(digits)) throw refusal("other", "the value is no number");
    const sum = Number(digits) + delta;
    this.#set(key, encode(String(sum)));
    return sum;
  }

  #keys() {
    const all = new Set([...this.#committed.keys(), ...this.#staged.keys()]);
    return [...all].filter((key) => this.#get(key) !== undefined).sort();
  }
}

function place(prefix, key) {
  const bytes = byteLength(key);
  if (bytes < 1 || bytes > KEY_BYTES_MAX) throw refusal("other", `a key of ${bytes} bytes; 1 to ${KEY_BYTES_MAX} are allowed`);
  return prefix + key;
}
