import assert from "node:assert/strict";
import { test } from "node:test";
import { host } from "plugbus/testing";
import orders from "./plugin.js";

const ORDER = { id: "a", amount: 10, currency: "USD" };
const start = (status: number) =>
  host(orders, { config: { rates: "https://rates.example" }, http: () => ({ status, body: '{"euros":0.9}' }) });

test("an order is priced and numbered", () => {
  const bus = start(200);
  bus.send("orders.created", ORDER);
  bus.send("orders.created", ORDER);
  assert.deepEqual(bus.published[1]?.data, { ...ORDER, number: 2, euros: 9 });
  assert.equal(bus.requests[0]?.url, "https://rates.example/USD");
});

test("without a rate it comes again, and a negative amount never", () => {
  const bus = start(503);
  const again = { outcome: "retry", reason: "no rate: 503", afterMs: 3000 };
  assert.deepEqual(bus.send("orders.created", ORDER, { attempt: 3 }), again);
  assert.deepEqual(bus.send("orders.created", { amount: -1 }), { outcome: "reject", reason: "the amount is negative" });
});
