import assert from "node:assert/strict";
import { test } from "node:test";
import { plugin } from "plugbus";
import { HttpError, checkUrl, request } from "plugbus/http";
import { host } from "plugbus/testing";

/** What the handler says, where the server answers so. */
const send = (handler, http) => {
  const bus = host(plugin({ ">": handler }), { http });
  return { outcome: bus.send("a"), requests: bus.requests };
};

test("a request goes out as it is written, and its answer comes back", () => {
  const { outcome, requests } = send(
    () => {
      const answer = request("https://a.example/x?y#z", { method: "POST", headers: { "X-Key": "k" }, body: { a: "ä" } });
      return [answer.status, answer.ok, answer.headers["x-some"], answer.data, answer.isCut];
    },
    () => ({ status: 201, headers: { "X-Some": "v" }, body: '{"b":1}' }),
  );
  assert.deepEqual(outcome.reply.data, [201, true, "v", { b: 1 }, false]);
  const [{ method, authority, path, isHttps, headers, body, timeoutMs }] = requests;
  assert.deepEqual([method, isHttps, authority, path, timeoutMs], ["POST", true, "a.example", "/x?y", 4000]);
  assert.deepEqual(headers, [["x-key", "k"], ["content-type", "application/json"], ["content-length", "10"]]);
  assert.equal(new TextDecoder().decode(body), '{"a":"ä"}');
});

test("a body that is too long is cut, and no JSON", () => {
  const { outcome } = send(() => request("http://a", { responseBytesMax: 3 }).data, () => ({ body: '"long"' }));
  assert.match(outcome.reason, /^the response \(cut\) is no JSON/);
});

test("what is malformed is not sent", () => {
  const bad = ["", "a.example", "file:///x", "http://", "http:///x", "http://:80", "http://u:p@a/", "http://a/b c", "http://a/ä", 7];
  for (const url of bad) assert.throws(() => checkUrl(url), { code: "invalid" }, String(url));
  for (const url of ["http://a", "HTTPS://a.example:8443/x/y?z=1#f", "http://[::1]:80?q"]) checkUrl(url);
  for (const options of [{ method: "A B" }, { headers: { "a b": "c" } }, { headers: { a: "c\nd" } }, { timeoutMs: Number.NaN }]) {
    assert.throws(() => request("http://a", options), { name: "HttpError", code: "invalid" });
  }
});

test("no answer is retried, unless it was denied", () => {
  for (const [code, end] of [["connection", "retry"], ["timed-out", "retry"], ["denied", "reject"]]) {
    const { outcome } = send(() => request("http://a"), () => { throw new HttpError(code, "so"); });
    assert.deepEqual(outcome, { outcome: end, reason: `http: ${code}: so` });
  }
});
