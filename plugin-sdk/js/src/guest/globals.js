/** What programs expect to be there and QuickJS has not: `console`, `TextEncoder`, `TextDecoder`, a `Math.random` that differs. */

import random from "wasi:random/random@0.2.12";
import { asText, log } from "../log.js";
import { decode, decodeLossy, encode } from "../utf8.js";

const CONSOLE = { debug: "debug", log: "info", info: "info", warn: "warn", error: "error" };

class TextEncoder {
  encoding = "utf-8";
  encode = (text = "") => encode(String(text));
}

class TextDecoder {
  encoding = "utf-8";

  constructor(label = "utf-8", { fatal = false } = {}) {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`TextDecoder: \`${label}\` is not supported, only utf-8`);
    this.fatal = fatal;
  }

  decode(bytes = new Uint8Array()) {
    const view = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes);
    if (!this.fatal) return decodeLossy(view);
    try {
      return decode(view);
    } catch {
      throw new TypeError("TextDecoder: the bytes are no UTF-8");
    }
  }
}

export function install() {
  const write = (level) => (...parts) => log[level](parts.map(asText).join(" "));
  const console = Object.fromEntries(Object.entries(CONSOLE).map(([name, level]) => [name, write(level)]));
  for (const [name, value] of Object.entries({ console, TextEncoder, TextDecoder })) {
    globalThis[name] ??= value;
  }
}

/**
 * Makes `Math.random` this instance's own: a component is a snapshot of a program that has begun, and all of its instances
 * would otherwise draw the same numbers. The generator is xorshift128; as ever, not for secrets.
 */
export function seedRandom() {
  let [a, b, c, d] = new Uint32Array(new Uint8Array(random.getRandomBytes(16)).buffer);
  d |= 1;
  const next = () => {
    const t = a ^ (a << 11);
    [a, b, c] = [b, c, d];
    d = (d ^ (d >>> 19) ^ (t ^ (t >>> 8))) >>> 0;
    return d;
  };
  Math.random = () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}
