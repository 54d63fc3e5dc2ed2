import assert from "node:assert/strict";
import { test } from "node:test";
import { PublishError, Reject, Retry, log, payload, plugin, publish, text } from "plugbus";
import { host } from "plugbus/testing";

/** The outcome of a single event with a handler. */
const outcome = (handler, data, options) => host(plugin({ ">": handler }), options).send("a.b", data);

test("data comes as JSON, as text and as bytes", () => {
  const seen = [];
  const bus = host(plugin({ ">": (event) => void seen.push([event.data, event.text, [...event.bytes], event.byteLength]) }));
  bus.send("a", "ä");
  assert.deepEqual(seen, [["ä", '"ä"', [34, 195, 164, 34], 4]]);
});

test("data that is no JSON rejects the event without a word of the handler", () => {
  for (const data of [text("{"), text(""), undefined, new Uint8Array([255])]) {
    const { outcome: end, reason } = outcome(({ data }) => data, data);
    assert.equal(end, "reject");
    assert.match(reason, /^the data is no JSON: /);
  }
  assert.match(outcome(({ text }) => text, new Uint8Array([255])).reason, /is no text/);
});

test("what is not asked for is not parsed", () => {
  assert.deepEqual(outcome(({ topic }) => void topic, text("no JSON")), { outcome: "acked" });
});

test("an event has its attributes", () => {
  let seen;
  const time = new Date("2026-01-02T03:04:05.678Z");
  const attributes = { id: "i", source: "s", subject: "x", time, attempt: 3, extensions: { traceparent: "t" }, contentType: "a/b" };
  host(plugin({ ">": (event) => void (seen = event) })).send("a.b", 1, attributes);
  assert.deepEqual(seen.time, time);
  assert.equal(seen.extensions.traceparent, "t");
  assert.equal(seen.extensions.constructor, undefined);
  const { id, source, subject, attempt, contentType, topic } = seen;
  assert.deepEqual({ id, source, subject, attempt, contentType, topic }, { id: "i", source: "s", subject: "x", attempt: 3, contentType: "a/b", topic: "a.b" });
});

test("what a handler returns is the reply", () => {
  const reply = (value) => outcome(() => value).reply;
  assert.equal(reply(undefined), undefined);
  assert.equal(reply(null).text, "null");
  assert.deepEqual([reply({ a: 1 }).contentType, reply({ a: 1 }).data], ["application/json", { a: 1 }]);
  assert.deepEqual([reply("x").text, reply(text("x")).text, reply(text("x")).contentType], ['"x"', "x", "text/plain"]);
  assert.deepEqual([...reply(new Uint8Array([1, 2]).buffer).bytes], [1, 2]);
  assert.equal(reply(payload("image/png", new Uint8Array([255]))).contentType, "image/png");
});

test("retry and reject are thrown", () => {
  const thrown = (error) => outcome(() => { throw error; });
  assert.deepEqual(thrown(new Retry("busy", { afterMs: 1.2 })), { outcome: "retry", reason: "busy", afterMs: 2 });
  assert.deepEqual(thrown(new Retry("busy")), { outcome: "retry", reason: "busy" });
  assert.deepEqual(thrown(new Reject("never")), { outcome: "reject", reason: "never" });
  assert.throws(() => new Retry("x", { afterMs: -1 }), /afterMs must be a number/);
  assert.throws(() => new Retry("x", { afterMs: Number.NaN }), RangeError);
});

test("any other exception rejects, and its stack and cause are logged", () => {
  const bus = host(plugin({ ">": () => { throw new Error("boom", { cause: new TypeError("deep") }); } }));
  assert.deepEqual(bus.send("a"), { outcome: "reject", reason: "boom" });
  const [{ level, message }] = bus.logs;
  assert.equal(level, "error");
  assert.match(message, /^Error: boom\n +at .*\n[^]*caused by TypeError: deep$/);
  assert.equal(outcome(() => null.x).reason.startsWith("TypeError: "), true);
  for (const thrown of ["text", undefined, 7n, { a: 1 }]) {
    assert.match(outcome(() => { throw thrown; }).reason, /^thrown: /);
  }
});

test("a plugin may choose what becomes of its errors", () => {
  const options = { onError: (error) => (error.message === "later" ? new Retry("again") : undefined) };
  const bus = host(plugin({ ">": ({ data }) => { throw new Error(data); } }, options));
  assert.deepEqual(bus.send("a", "later"), { outcome: "retry", reason: "again" });
  assert.deepEqual(bus.send("a", "x"), { outcome: "reject", reason: "x" });
  const worse = host(plugin({ ">": () => { throw new Error("x"); } }, { onError: () => { throw new Retry("so"); } }));
  assert.deepEqual(worse.send("a"), { outcome: "retry", reason: "so" });
});

test("a promise is refused", () => {
  assert.match(outcome(async () => 1).reason, /handlers are synchronous/);
  assert.throws(() => host(plugin(async () => ({}))), /nothing is asynchronous/);
});

test("what is published leaves when the handler acks, and only then", () => {
  const bus = host(plugin({ ">": ({ data }) => {
    publish("out.a", data, { session: "s" });
    publish("out.b", text("x"));
    if (data === "no") throw new Reject("no");
  } }));
  bus.send("a", "no");
  assert.equal(bus.published.length, 0);
  bus.send("a", "yes", { id: "e", subject: "s", extensions: { traceparent: "t" } });
  const [a, b] = bus.takePublished();
  assert.deepEqual([a.id, a.topic, a.data, a.subject, a.extensions], ["e/1", "out.a", "yes", "s", { session: "s", traceparent: "t" }]);
  assert.deepEqual([b.topic, b.text, b.contentType], ["out.b", "x", "text/plain"]);
  assert.equal(bus.published.length, 0);
});

test("the host's word on a publish is an error with a code", () => {
  const code = (topic, data, extensions, options) => {
    let seen;
    outcome(() => {
      try {
        publish(topic, data, extensions);
      } catch (error) {
        seen = error;
      }
    }, 1, options);
    assert.ok(seen instanceof PublishError, `${topic}: ${seen}`);
    return seen.code;
  };
  assert.equal(code("out.x", 1, {}, { publish: ["other.>"] }), "denied");
  assert.equal(code("plugbus.x", 1), "denied");
  for (const topic of ["", "a..b", "a b", "a.*", "x".repeat(256), Array(17).fill("a").join(".")]) assert.equal(code(topic, 1), "invalid");
  for (const extensions of [{ "a-b": "x" }, { id: "x" }, { a: "\n" }, { a: "x".repeat(4097) }]) assert.equal(code("a", 1, extensions), "invalid");
  assert.equal(code("a", "x".repeat(1024 * 1024)), "invalid");
  assert.equal(code("a", 1, {}, { limits: { publishesMax: 0 } }), "over-limit");
  assert.equal(code("a", "long", {}, { limits: { publishBytes: 3 } }), "over-limit");
  assert.match(outcome(() => publish("plugbus.x", 1)).reason, /^publish on `plugbus.x`: denied: /);
});

test("what has no JSON form is refused where it is published", () => {
  for (const data of [undefined, () => 1, Symbol("x")]) assert.match(outcome(() => publish("a", data)).reason, /TypeError/);
  assert.match(outcome(() => publish("a", 1n)).reason, /TypeError/);
});

test("half of a surrogate pair does not get out", () => {
  const bus = host(plugin({ ">": () => {
    publish("out", text("\ud800"));
    log.info("\udc00");
    throw new Reject("\ud800");
  } }));
  assert.equal(bus.send("a").reason, "\ufffd");
  assert.equal(bus.logs[0].message, "\ufffd");
});

test("the first handler that matches has the event, a single one every event", () => {
  const bus = host(plugin({ "a.*": () => "one", "a.>": () => "more", b: () => "b" }));
  assert.deepEqual(["a.x", "a.x.y", "b"].map((topic) => bus.send(topic).reply.data), ["one", "more", "b"]);
  assert.equal(bus.send("c").reason, "the plugin has no handler for `c`");
  assert.deepEqual([bus.subscribesTo("a.x.y"), bus.subscribesTo("c"), bus.filters.length], [true, false, 3]);
  assert.equal(host(plugin({ a: () => "all" })).send("plugbus.x").reply.data, "all");
});

test("the configuration makes the handlers, and may be refused", () => {
  const greet = plugin(({ greeting }) => {
    if (greeting === undefined) throw new Error("config: missing key `greeting`");
    return { a: () => greeting };
  });
  const bus = host(greet, { config: { greeting: "hi" } });
  assert.equal(bus.send("a").reply.data, "hi");
  bus.reload({ greeting: "ho" });
  assert.equal(bus.send("a").reply.data, "ho");
  assert.throws(() => host(greet), { message: "config: missing key `greeting`" });
  assert.throws(() => host(plugin({})), /0 filters/);
});

test("what is no plugin is refused where it is made", () => {
  assert.throws(() => plugin(), /handlers by filter/);
  assert.throws(() => plugin({ a: 1 }), /handler of `a`/);
  assert.throws(() => plugin({}, { onError: 1 }), /onError/);
  assert.throws(() => host({ a: () => 1 }), /export default plugin/);
  assert.throws(() => publish("a", 1), /only while an event is handled/);
});

test("any value can be logged", () => {
  const bus = host(plugin({ ">": () => {
    const loop = {};
    loop.loop = loop;
    for (const value of ["text", { a: 1 }, undefined, 1n, loop]) log.warn(value, "part");
  } }));
  bus.send("a");
  assert.deepEqual(bus.logs.map(({ message }) => message), ["text", '{"a":1}', "undefined", "[object BigInt]", "[object Object]"]);
  assert.deepEqual(bus.logs[0], { level: "warn", context: "part", message: "text" });
});
