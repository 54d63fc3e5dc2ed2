import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const place = mkdtempSync(join(tmpdir(), "plugbus-build-"));
after(() => rmSync(place, { recursive: true }));

/** Builds a project; how that ended. */
function build(folder, output) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["build.mjs", folder, "-o", output], { encoding: "utf8" });
  return { ok: status === 0, said: stdout + stderr };
}

let count = 0;

/** What is said of a project that must not build. */
function refused(source, manifest = { name: "x", main: "plugin.js" }) {
  const folder = join(place, `project-${(count += 1)}`);
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  if (source !== undefined) writeFileSync(join(folder, "plugin.js"), source);
  const output = join(folder, "x.wasm");
  const { ok, said } = build(folder, output);
  assert.equal(ok, false, said);
  assert.deepEqual(readdirSync(folder).filter((name) => name.includes(".wasm")), []);
  return said;
}

/** The interfaces whose names stand in a component, without their versions. */
function interfaces(path) {
  const text = readFileSync(path).toString("latin1");
  return new Set([...text.matchAll(/\b([a-z]+:[a-z]+\/[a-z-]+)@/g)].map(([, name]) => name));
}

test("a component imports what its modules import, and nothing that would need a grant beside", () => {
  const paths = ["greet", "orders"].map((name) => join(place, "built", `${name}.wasm`));
  assert.match(build("examples/greet", paths[0]).said, /^built .*greet\.wasm \(\d+ bytes\)\n$/);
  assert.equal(build("examples/orders", paths[1]).ok, true);
  const [greet, orders] = paths.map(interfaces);
  assert.ok(greet.has("plugbus:plugin/publisher") && greet.has("plugbus:plugin/subscriber"));
  for (const name of ["wasi:http/outgoing-handler", "wasi:http/types", "wasi:keyvalue/store", "wasi:keyvalue/atomics"]) {
    assert.deepEqual([greet.has(name), orders.has(name)], [false, true], name);
  }
  // The names that stand in while it is made are gone.
  for (const names of [greet, orders]) assert.deepEqual([...names].filter((name) => name.startsWith("wazi:")), []);
});

test("what does not build says why", () => {
  assert.match(refused("export default plugin({});"), /plugin is not defined/);
  assert.match(refused("export const x = 1;"), /export default plugin/);
  assert.match(refused('import "node:fs"; export default 1;'), /node:fs/);
  assert.match(refused('import "plugbus/htp"; export default 1;'), /there is no plugbus\/htp; there are: plugbus, plugbus\/http/);
  assert.match(refused("export default {"), /plugin\.js:1:16/);
  assert.match(refused('import { log, plugin } from "plugbus"; log.info("x"); export default plugin({});'), /top level/);
  assert.match(refused(undefined), /`main` names plugin\.js, which is not there/);
  assert.match(refused("", { name: "x" }), /`main` must name/);
  assert.match(refused("", { name: "Not A Name", main: "plugin.js" }), /`name` must be 1 to 64 of a-z, 0-9 and -/);
});
