/** The store in a component: `wasi:keyvalue`. */

import atomics from "wasi:keyvalue/atomics@0.2.0-draft";
import keyvalue from "wasi:keyvalue/store@0.2.0-draft";

export function open(name) {
  const bucket = keyvalue.open(name);
  return {
    get: (key) => bucket.get(key),
    set: (key, value) => bucket.set(key, value),
    exists: (key) => bucket.exists(key),
    delete: (key) => bucket.delete(key),
    increment: (key, delta) => atomics.increment(bucket, key, delta),
    keys() {
      const all = [];
      let cursor = null;
      do {
        const page = bucket.listKeys(cursor);
        all.push(...page.keys);
        cursor = page.cursor;
      } while (cursor !== null);
      return all;
    },
  };
}
