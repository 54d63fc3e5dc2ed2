/** The store natively: in memory, committed where a handler acks. */

import { recorder } from "./host.js";

/** Looked up at each use: a bucket outlives the host that it was first used with. */
export function open(name) {
  const bucket = () => recorder("store").bucket(name);
  return {
    get: (key) => bucket().get(key),
    set: (key, value) => bucket().set(key, value),
    exists: (key) => bucket().get(key) !== undefined,
    delete: (key) => bucket().delete(key),
    increment: (key, delta) => bucket().increment(key, delta),
    keys: () => bucket().keys(),
  };
}
