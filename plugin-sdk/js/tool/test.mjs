/** Runs a project's tests natively: its types, then `node --test` on its `*.test.js` and `*.test.ts`. */

import { spawnSync } from "node:child_process";
import { access, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import { createRequire } from "node:module";
import { bundleTest } from "./bundle.mjs";
import { load } from "./tools.mjs";

const TEST = /\.test\.(js|mjs|ts)$/;
const LEFT_OUT = ["node_modules", "target"];

/** Whether all is well. */
export async function test(folder, { tools } = {}) {
  const place = resolve(folder);
  const hasTypes = await exists(join(place, "tsconfig.json"));
  if (hasTypes && !checkTypes(place, tools)) return false;
  const files = await testFiles(place);
  if (files.length === 0) {
    if (hasTypes) return true;
    throw new Error(`${place} has no tests: no file is called NAME.test.js or NAME.test.ts`);
  }
  const esbuild = await load("esbuild", tools);
  // In the project, so that what a test imports from packages is found from there.
  const work = await mkdtemp(join(place, ".plugbus-test-"));
  try {
    const built = await Promise.all(
      files.map(async (path) => {
        const to = join(work, `${relative(place, path).replaceAll(/[\\/]/g, "-")}.mjs`);
        await writeFile(to, await bundleTest(esbuild, path));
        return to;
      }),
    );
    return run(process.execPath, ["--enable-source-maps", "--test-reporter=spec", "--test", ...built], place, tools);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const exists = (path) => access(path).then(() => true, () => false);

function checkTypes(place, tools) {
  const config = join(place, "tsconfig.json");
  const require = createRequire(tools === undefined ? config : join(tools, "package.json"));
  const compiler = require.resolve("typescript/bin/tsc");
  const types = tools === undefined ? [] : ["--typeRoots", join(tools, "node_modules/@types")];
  return run(process.execPath, [compiler, "--noEmit", "-p", config, ...types], place);
}

async function testFiles(place) {
  const entries = await readdir(place, { withFileTypes: true });
  const nested = entries.filter((entry) => !entry.name.startsWith(".") && !LEFT_OUT.includes(entry.name));
  const found = nested.map(async (entry) => {
    const path = join(place, entry.name);
    if (entry.isDirectory()) return testFiles(path);
    return TEST.test(basename(path)) ? [path] : [];
  });
  return (await Promise.all(found)).flat().toSorted();
}

function run(program, args, cwd, tools) {
  const env = tools === undefined ? process.env : { ...process.env, PLUGBUS_JS_TOOLS: tools };
  const { status, error } = spawnSync(program, args, { cwd, env, stdio: "inherit" });
  if (error !== undefined) throw error;
  return status === 0;
}
