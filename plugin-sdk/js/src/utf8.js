/**
 * UTF-8 both ways. QuickJS has no `TextEncoder`, and a loop over bytes costs it hundreds of nanoseconds for each, so this goes
 * through its built-in functions, which is some 20 times as fast.
 */

const NOT_ASCII = /[^\x00-\x7f]/;

/** The text as a string of which each character is one byte. */
const binary = (text) => (NOT_ASCII.test(text) ? unescape(encodeURIComponent(text)) : text);

const quickjs = {
  encode: (text) => Uint8Array.fromBase64(btoa(binary(text))),
  decode(bytes) {
    const characters = atob(bytes.toBase64());
    return NOT_ASCII.test(characters) ? decodeURIComponent(escape(characters)) : characters;
  },
};

const node = {
  encode: (text) => new TextEncoder().encode(text),
  decode: (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
};

const engine = typeof globalThis.TextDecoder === "function" ? node : quickjs;

export const encode = (text) => engine.encode(text.toWellFormed());

/** Throws where the bytes are no UTF-8. */
export const decode = (bytes) => engine.decode(bytes);

/** The same, with U+FFFD for each byte outside of ASCII where the bytes are no UTF-8. */
export function decodeLossy(bytes) {
  try {
    return decode(bytes);
  } catch {
    return Array.from(bytes, (byte) => (byte < 0x80 ? String.fromCharCode(byte) : "\ufffd")).join("");
  }
}

/** How many bytes the text takes. */
export const byteLength = (text) => binary(text.toWellFormed()).length;
