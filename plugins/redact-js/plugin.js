// Replaces secrets and home folders, and publishes the result under another topic.
import { Reject, payload, plugin, publish } from "plugbus";
import { Redactor } from "./redactor.js";

const OPTIONS = { prefix: "string", defaults: "boolean", home_paths: "boolean", keys: "texts", rules: "tables" };

export default plugin((config) => {
  check(config);
  const { prefix = "redacted", ...options } = config;
  const redactor = new Redactor(options);

  function handle(event) {
    const { isJson, content } = read(event);
    const { data, count } = redactor.redact(content);
    const extensions = { ...event.extensions, redactions: String(count) };
    publish(`${prefix}.${event.topic}`, isJson ? data : payload(event.contentType, data), extensions);
  }
  return { "hook.pre-tool-use.>": handle, "hook.post-tool-use.>": handle };
});

/** JSON is looked through member by member, any other text as a whole; what is neither does not go on. */
function read(event) {
  const text = event.text;
  if (!/json/i.test(event.contentType)) return { isJson: false, content: text };
  return { isJson: true, content: event.data };
}

function check(config) {
  for (const [key, value] of Object.entries(config)) {
    if (!Object.hasOwn(OPTIONS, key)) throw new Reject(`config: unknown key \`${key}\`, expected one of ${Object.keys(OPTIONS).join(", ")}`);
    if (!isOf(OPTIONS[key], value)) throw new Reject(`config: key \`${key}\`: expected ${article(OPTIONS[key])}`);
  }
  if (config.prefix !== undefined && !/^[\w-]+(\.[\w-]+)*$/.test(config.prefix)) {
    throw new Reject("config: key `prefix`: expected tokens of letters, digits, _ and -, with dots between them");
  }
}

const KINDS = {
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  texts: (value) => Array.isArray(value) && value.every(KINDS.string),
  tables: (value) => Array.isArray(value) && value.every((item) => typeof item === "object" && item !== null),
};

const isOf = (kind, value) => KINDS[kind](value);
const article = (kind) => (kind === "texts" ? "a list of texts" : kind === "tables" ? "a list of tables" : `a ${kind}`);
