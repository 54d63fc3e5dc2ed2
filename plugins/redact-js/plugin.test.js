import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { text } from "plugbus";
import { host } from "plugbus/testing";
import redact from "./plugin.js";

const sample = (name) => JSON.parse(readFileSync(`samples/${name}.json`, "utf8"));
const TOPIC = "hook.pre-tool-use.bash";

/** A text after the plugin, and how often it found something. */
function redacted(content, config) {
  const bus = host(redact, { config, publish: ["redacted.>"] });
  assert.deepEqual(bus.send(TOPIC, text(content)), { outcome: "acked" });
  const [{ text: result, extensions }] = bus.published;
  return [result, Number(extensions.redactions)];
}

test("a tool's input goes on without secrets and home folders", () => {
  const bus = host(redact, { publish: ["redacted.>"] });
  bus.send(TOPIC, sample("in"), { extensions: { session: "5f0c" } });
  const [{ topic, data, extensions }] = bus.published;
  assert.equal(topic, `redacted.${TOPIC}`);
  assert.deepEqual(data, sample("expected"));
  assert.deepEqual(extensions, { session: "5f0c", redactions: "11" });
});

test("every rule finds what it is for", () => {
  const table = {
    "private-key": "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    "aws-key": "AKIAIOSFODNN7EXAMPLE",
    "github-token": `github_pat_${"a1_".repeat(10)}`,
    "gitlab-token": "glpat-abcdefghijklmnopqrst",
    "slack-token": "xoxb-1234567890-abcdef",
    "api-key": `sk-proj-${"a1".repeat(20)}`,
    "stripe-key": `sk_live_${"a1".repeat(12)}`,
    "google-key": `AIza${"a".repeat(35)}`,
    "npm-token": `npm_${"a".repeat(36)}`,
    "pypi-token": `pypi-${"a".repeat(60)}`,
    jwt: "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeKKF2Q",
  };
  for (const [name, secret] of Object.entries(table)) {
    assert.deepEqual(redacted(`before ${secret} after`), [`before [redacted:${name}] after`, 1], name);
  }
  assert.deepEqual(redacted("https://hooks.slack.com/services/T0/B0/xyz"), ["https://hooks.slack.com/[redacted:slack-webhook]", 1]);
  assert.deepEqual(redacted("postgres://u:p@h/db"), ["postgres://u:[redacted:url-password]@h/db", 1]);
  assert.deepEqual(redacted("mysql --password hunter22"), ["mysql --password [redacted:assignment]", 1]);
  assert.deepEqual(redacted("client_secret: 'ab cd'"), ["client_secret: [redacted:assignment]", 1]);
});

test("what is no secret stays", () => {
  for (const content of ["git commit -m 'skip tokens'", "https://example.com:8080/a@b", "/homes/ada", "task-1234567890", "sk-short", "", "a/root/b"]) {
    assert.deepEqual(redacted(content), [content, 0]);
  }
});

test("what looks like a replacement hides nothing", () => {
  assert.deepEqual(redacted('token="[redacted:x] s3cret"'), ["token=[redacted:assignment]", 1]);
  assert.deepEqual(redacted("ftp://u:[redacted:key]@h"), ["ftp://u:[redacted:key]@h", 0]);
});

test("a private key that is cut off is not let through", () => {
  assert.deepEqual(redacted("-----BEGIN PRIVATE KEY-----\nMIIE"), ["[redacted:private-key]", 1]);
});

test("rules, names and defaults are the configuration's", () => {
  const rules = [{ name: "ticket", pattern: "ticket-[0-9]+", flags: "i" }];
  assert.deepEqual(redacted("TICKET-1 AKIAIOSFODNN7EXAMPLE /home/ada", { rules, defaults: false, home_paths: false }), [
    "[redacted:ticket] AKIAIOSFODNN7EXAMPLE /home/ada",
    1,
  ]);
  const bus = host(redact, { config: { keys: ["pin"], prefix: "clean.x" } });
  bus.send(TOPIC, { PIN: 1234, password: "x" });
  assert.deepEqual([bus.published[0].topic, bus.published[0].data], [`clean.x.${TOPIC}`, { PIN: "[redacted:key]", password: "x" }]);
});

test("what cannot be looked through does not go on", () => {
  const bus = host(redact);
  assert.equal(bus.send(TOPIC, new Uint8Array([255, 0])).outcome, "reject");
  assert.equal(bus.send(TOPIC, text("{"), { contentType: "application/json" }).outcome, "reject");
  const deep = `${"[".repeat(101)}${"]".repeat(101)}`;
  assert.match(bus.send(TOPIC, text(deep), { contentType: "application/json" }).reason, /more than 100 levels/);
  assert.equal(bus.published.length, 0);
});

test("a wrong configuration is refused with the key", () => {
  const table = [
    [{ prefxi: "x" }, "config: unknown key `prefxi`, expected one of prefix, defaults, home_paths, keys, rules"],
    [{ prefix: "a..b" }, "config: key `prefix`: expected tokens of letters, digits, _ and -, with dots between them"],
    [{ keys: "x" }, "config: key `keys`: expected a list of texts"],
    [{ rules: [{ name: "a", pattern: "(" }] }, /^config: rules\[0\]: Invalid regular expression/],
    [{ rules: [{ name: "a", pattern: "x*" }] }, "config: rules[0]: `pattern` matches the empty text"],
    [{ rules: [{ name: "a b", pattern: "x" }] }, /`name` must be/],
    [{ rules: [{ name: "a", pattern: "x", flag: "i" }] }, /unknown key `flag`/],
  ];
  for (const [config, message] of table) assert.throws(() => host(redact, { config }), { message });
});
