// Goes through data and replaces what the rules find. Knows nothing of events.
import { HOME, KEYS, SECRETS } from "./rules.js";

/** Deeper data is not looked through, and so not let through. */
const DEPTH_MAX = 100;
const REPLACED = /^\[redacted:[\w-]{1,40}\]$/;

export class Redactor {
  #keys;
  #rules;

  constructor({ defaults = true, home_paths = true, keys = KEYS, rules = [] }) {
    this.#keys = new Set(keys.map(plain));
    const secrets = [...rules.map(ownRule), ...(defaults ? SECRETS : [])];
    // Secrets first: a home folder may be part of one.
    this.#rules = [
      ...secrets.map((rule) => ({ ...rule, to: `[redacted:${rule.name}]` })),
      ...(home_paths ? HOME.map((rule) => ({ ...rule, to: "~" })) : []),
    ];
  }

  /** The data without secrets, and how many there were. */
  redact(data) {
    const found = { count: 0 };
    return { data: this.#walk(data, found, 0), count: found.count };
  }

  #walk(value, found, depth) {
    if (typeof value === "string") return this.#text(value, found);
    if (typeof value !== "object" || value === null) return value;
    if (depth >= DEPTH_MAX) throw new Error(`the data is nested more than ${DEPTH_MAX} levels deep`);
    if (Array.isArray(value)) return value.map((item) => this.#walk(item, found, depth + 1));
    const members = Object.entries(value).map(([key, inner]) => [key, this.#member(key, inner, found, depth + 1)]);
    return Object.fromEntries(members);
  }

  #member(key, value, found, depth) {
    const isSecret = this.#keys.has(plain(key)) && value !== null && value !== "" && typeof value !== "boolean";
    if (!isSecret) return this.#walk(value, found, depth);
    found.count += 1;
    return "[redacted:key]";
  }

  #text(text, found) {
    let result = text;
    for (const { hints, probe, pattern, to } of this.#rules) {
      const mayMatch = hints?.some((hint) => result.includes(hint)) ?? probe?.test(result) ?? true;
      if (!mayMatch) continue;
      result = result.replace(pattern, (...match) => {
        const groups = match.at(-1);
        // What an earlier rule has put there is no secret any more.
        const keep = typeof groups === "object" ? (groups.keep ?? "") : "";
        if (REPLACED.test(match[0].slice(keep.length))) return match[0];
        found.count += 1;
        return keep + to;
      });
    }
    return result;
  }
}

/** A name without what does not count in it. */
const plain = (key) => key.toLowerCase().replaceAll(/[-_]/g, "");

function ownRule({ name, pattern, flags = "", ...more }, index) {
  const place = `config: rules[${index}]`;
  const [unknown] = Object.keys(more);
  if (unknown !== undefined) throw new Error(`${place}: unknown key \`${unknown}\`, expected name, pattern or flags`);
  if (typeof name !== "string" || !/^[\w-]{1,40}$/.test(name)) throw new Error(`${place}: \`name\` must be 1 to 40 letters, digits, _ and -`);
  if (typeof pattern !== "string") throw new Error(`${place}: \`pattern\` must be a regular expression, as text`);
  if (!/^[imsu]*$/.test(flags)) throw new Error(`${place}: \`flags\` may have i, m, s and u`);
  let compiled;
  try {
    compiled = new RegExp(pattern, `${flags}g`);
  } catch (cause) {
    throw new Error(`${place}: ${cause.message}`, { cause });
  }
  if (compiled.test("")) throw new Error(`${place}: \`pattern\` matches the empty text`);
  return { name, pattern: new RegExp(pattern, `${flags}g`) };
}
