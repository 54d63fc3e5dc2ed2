import assert from "node:assert/strict";
import { test } from "node:test";
import { plugin } from "plugbus";
import { Bucket, store } from "plugbus/store";
import { host } from "plugbus/testing";

test("what is written is there for the next event, where the handler acks", () => {
  const bus = host(plugin({ ">": ({ data }) => {
    store.set("list", [...(store.get("list") ?? []), data]);
    if (data === "no") throw new Error("no");
    return [store.get("list"), store.increment("n"), store.has("x"), store.keys()];
  } }));
  assert.deepEqual(bus.send("a", 1).reply.data, [[1], 1, false, ["list", "n"]]);
  bus.send("a", "no");
  bus.reload();
  assert.deepEqual(bus.send("a", 2).reply.data, [[1, 2], 2, false, ["list", "n"]]);
});

test("buckets are apart, and a key can be deleted", () => {
  const other = new Bucket("other");
  const bus = host(plugin({ ">": () => {
    store.set("k", 1);
    other.setBytes("k", new Uint8Array([1, 2]));
    store.delete("k");
    return [store.get("k") ?? null, [...other.getBytes("k")]];
  } }));
  assert.deepEqual(bus.send("a").reply.data, [null, [1, 2]]);
});

test("what is over a bound asks for a retry with the limit", () => {
  const said = (run) => host(plugin({ ">": run })).send("a");
  const { outcome, reason } = said(() => store.set("k", "x".repeat(64 * 1024)));
  assert.equal(outcome, "retry");
  assert.match(reason, /^store: other: a value of 65538 bytes/);
  assert.match(said(() => store.get("k".repeat(257))).reason, /a key of 257 bytes/);
  assert.deepEqual(said(() => new Bucket("x".repeat(65)).get("k")), { outcome: "reject", reason: "store: no-such-store" });
  assert.match(said(() => store.increment("k", 1.5)).reason, /whole number/);
  assert.throws(() => host(plugin(() => ({ a: store.get("k") }))), /not there while the plugin is set up/);
});
