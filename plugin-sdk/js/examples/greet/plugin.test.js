import assert from "node:assert/strict";
import { test } from "node:test";
import { text } from "plugbus";
import { host } from "plugbus/testing";
import greet from "./plugin.js";

test("whoever joins is greeted", () => {
  const bus = host(greet, { publish: ["chat.said"] });
  assert.equal(bus.send("chat.joined", "Ada").reply.text, "greeted");
  assert.equal(bus.published[0].data, "Welcome, Ada!");
  assert.equal(bus.send("chat.joined", text("no JSON")).outcome, "reject");
});
