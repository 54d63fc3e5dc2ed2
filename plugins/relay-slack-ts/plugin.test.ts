import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mock, test } from "node:test";
import { text } from "plugbus";
import { HttpError } from "plugbus/http";
import { type HttpAnswer, type HttpRequest, type TestHost, host } from "plugbus/testing";
import relay from "./plugin.js";
import { retryAfterMs } from "./verdict.js";

const sample = (name: string) => JSON.parse(readFileSync(`samples/${name}.json`, "utf8"));
const URL = "https://hooks.slack.com/services/x";
const TOPIC = "hook.notification.bash";

function start(config: object = {}, http: (request: HttpRequest) => HttpAnswer = () => ({ body: "ok" })): TestHost {
  return host(relay, { config: { url: URL, ...config }, http });
}

const message = (bus: TestHost, index: number): string => JSON.parse(new TextDecoder().decode(bus.requests[index]?.body)).text;

test("an event is posted as the template says, and its texts are no markup", () => {
  const bus = start({ template: "*{{topic}}* {{data.message}} (session {{ data.session }}{{data.data.no.such}}, {{subject}})" });
  bus.send(TOPIC, { message: "a <!channel> & b", session: "5f0c" });
  assert.equal(message(bus, 0), "*hook.notification.bash* a &lt;!channel&gt; &amp; b (session 5f0c, )");
  const [request] = bus.requests;
  assert.deepEqual([request?.method, request?.url], ["POST", URL]);
});

test("the sample becomes the expected message", () => {
  const bus = start({ template: "*{{topic}}* {{data.data.message}} (session {{data.session}}, {{subject}})" });
  assert.deepEqual(bus.send(TOPIC, sample("in")), { outcome: "acked" });
  assert.deepEqual({ text: message(bus, 0) }, sample("expected"));
});

test("without a template the data is shown, and it is cut", () => {
  const bus = start({ text_max: 30 });
  bus.send(TOPIC, text("x".repeat(100)));
  assert.equal(message(bus, 0), `*${TOPIC}* xxxx…`);
});

test("what is over the limit waits for the next minute", () => {
  mock.timers.enable({ apis: ["Date"], now: 600_000 + 59_000 });
  try {
    const bus = start({ per_minute: 2 });
    for (const _ of [1, 2]) assert.deepEqual(bus.send(TOPIC, 1), { outcome: "acked" });
    const late = { outcome: "retry", reason: "2 messages were sent this minute", afterMs: 1000 };
    assert.deepEqual(bus.send(TOPIC, 1), late);
    bus.reload({ url: URL, per_minute: 2 });
    assert.deepEqual(bus.send(TOPIC, 1), late);
    mock.timers.setTime(660_000);
    assert.deepEqual(bus.send(TOPIC, 1), { outcome: "acked" });
    assert.equal(bus.requests.length, 3);
  } finally {
    mock.timers.reset();
  }
});

test("or it is dropped, and the next message says how many there were", () => {
  mock.timers.enable({ apis: ["Date"], now: 600_000 });
  try {
    const bus = start({ per_minute: 1, over: "drop", template: "{{data}}" });
    for (const n of [1, 2, 3]) assert.deepEqual(bus.send(TOPIC, n), { outcome: "acked" });
    mock.timers.setTime(700_000);
    bus.send(TOPIC, 4);
    assert.deepEqual([message(bus, 0), message(bus, 1)], ["1", "4\n(2 more before this were not shown)"]);
    mock.timers.setTime(800_000);
    bus.send(TOPIC, 5);
    assert.equal(message(bus, 2), "5");
  } finally {
    mock.timers.reset();
  }
});

test("a message that was not taken does not count", () => {
  let status = 500;
  const bus = start({ per_minute: 1 }, () => ({ status }));
  for (const _ of [1, 2]) assert.equal(bus.send(TOPIC, 1).outcome, "retry");
  status = 200;
  assert.equal(bus.send(TOPIC, 1).outcome, "acked");
});

test("the answer decides, and 429 says when to come again", () => {
  const answered = (answer: HttpAnswer) => start({}, () => answer).send(TOPIC, 1);
  assert.deepEqual(answered({ status: 429, headers: { "Retry-After": "7" } }), {
    outcome: "retry",
    reason: "the webhook answered 429",
    afterMs: 7000,
  });
  assert.deepEqual(answered({ status: 503, body: "busy\n" }), { outcome: "retry", reason: "the webhook answered 503: busy" });
  assert.deepEqual(answered({ status: 404, body: "no_team\u0007" }), { outcome: "reject", reason: "the webhook answered 404: no_team " });
  assert.equal(answered({ status: 302 }).outcome, "reject");
  const lost = start({}, () => {
    throw new HttpError("connection", "refused");
  });
  assert.equal(lost.send(TOPIC, 1).outcome, "retry");
});

test("Retry-After is read as seconds or as a date", () => {
  const now = Date.UTC(2026, 0, 1);
  const table: [string | undefined, number | undefined][] = [
    ["3", 3000],
    [" 0 ", 0],
    ["Thu, 01 Jan 2026 00:00:10 GMT", 10_000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["-1", undefined],
    ["soon", undefined],
    ["", undefined],
    [undefined, undefined],
  ];
  for (const [header, expected] of table) assert.equal(retryAfterMs(header, now), expected, header);
});

test("a wrong configuration is refused with the key", () => {
  const table: [object, RegExp][] = [
    [{}, /^config: missing key `url`$/],
    [{ url: "hooks.slack.com" }, /^config: key `url`: .*must begin with http/],
    [{ url: URL, uri: 1 }, /^config: unknown key `uri`, expected one of url, template/],
    [{ url: URL, per_minute: 0 }, /^config: key `per_minute`: 0 is not in 1 to 600$/],
    [{ url: URL, text_max: "x" }, /^config: key `text_max`: "x" is not in/],
    [{ url: URL, over: "x" }, /^config: key `over`/],
    [{ url: URL, template: " " }, /^config: key `template`/],
  ];
  for (const [config, message] of table) assert.throws(() => host(relay, { config }), { message });
});
