/**
 * What a plugin remembers: keys and values of its own, over `wasi:keyvalue`. It needs `kv = true` under `[grants]` in the manifest.
 *
 * What a handler writes is committed together with its ack, or not at all: "read, add one, write" counts each event once, whatever is
 * repeated and whoever crashes. Values outlast instances, reloads and, where the host keeps a journal, restarts. While the plugin is set
 * up there is no store.
 *
 * ```js
 * import { store } from "plugbus/store";
 *
 * const seen = store.increment(`seen/${event.subject}`);
 * ```
 *
 * @packageDocumentation
 */

/**
 * Keys and values under a name. Every bucket is there from the beginning, and empty. A key has 1 to 256 bytes, a value at most 64 KiB,
 * the whole store 16 MiB.
 *
 * Every method throws {@link StoreError} where the host refuses.
 */
export class Bucket {
  /** @param name - 1 to 64 bytes; the empty one, which is the default, stands for `default`. */
  constructor(name?: string);
  /** The value of a key; `undefined` where there is none. */
  get<T = any>(key: string): T | undefined;
  /** Gives a key a value, which is kept as JSON. */
  set(key: string, value: unknown): void;
  /** The value of a key as it is kept. */
  getBytes(key: string): Uint8Array | undefined;
  /** Gives a key a value that is kept as it is. */
  setBytes(key: string, bytes: Uint8Array): void;
  /** Whether a key has a value. */
  has(key: string): boolean;
  /** Deletes a key, there or not. */
  delete(key: string): void;
  /** Adds a whole number, by default 1, and returns the sum; a key that is not there counts as 0. {@link Bucket.get} reads it too. */
  increment(key: string, delta?: number): number;
  /** Every key, in order. */
  keys(): string[];
}

/** The default bucket. */
export const store: Bucket;

/** The store refused. A handler that lets it pass asks for a retry where a bound was hit, and else rejects the event. */
export class StoreError extends Error {
  /** `no-such-store`: a name that no bucket can have. `other`: a bound was hit; the message names the key and the limit. */
  readonly code: "no-such-store" | "access-denied" | "other";
  /** Whether the same may fare better later. */
  readonly isTransient: boolean;
  private constructor();
}
