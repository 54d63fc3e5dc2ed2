import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const read = (path) => readFileSync(path, "utf8");
const EXAMPLES = ["greet/plugin.js", "greet/plugin.test.js", "greet/package.json", "orders/plugin.ts"].map((path) => read(`examples/${path}`));

test("the papers show the code of the examples, which is tested", () => {
  for (const [paper, count] of [["README.md", 4], ["../../README.md", 1]]) {
    const all = [...read(paper).matchAll(/^```(?:js|ts|json)\n([^]*?)^```$/gm)].map(([, code]) => code);
    // The project's own paper also has clients, which have nothing of the SDK.
    const blocks = paper === "README.md" ? all : all.filter((code) => code.includes('from "plugbus"'));
    assert.equal(blocks.length, count, paper);
    for (const code of blocks) assert.ok(EXAMPLES.includes(code), `${paper}: not in examples:\n${code}`);
  }
});
