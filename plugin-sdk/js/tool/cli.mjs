/** The command line of this package. */

import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { test } from "./test.mjs";

const HELP = `plugbus-js build [DIR] [-o FILE]   makes a component of the project in DIR (by default here)
plugbus-js test [DIR]              checks its types, if it has a tsconfig.json, and runs its *.test.js and *.test.ts

  -o, --output FILE   the component; by default NAME.wasm in the project, NAME being that of its package.json
  --tools DIR         where node_modules with the pinned tools is; by default the variable PLUGBUS_JS_TOOLS, else beside the SDK`;

const COMMANDS = {
  async build(folder, options) {
    const { path, bytes } = await build(folder, options);
    console.log(`built ${path} (${bytes} bytes)`);
    return true;
  },
  test: (folder, { tools }) => test(folder, { tools }),
};

export async function main(args) {
  const options = { output: { type: "string", short: "o" }, tools: { type: "string" }, help: { type: "boolean", short: "h" } };
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  const [command, folder = ".", ...more] = positionals;
  if (values.help || !Object.hasOwn(COMMANDS, command ?? "") || more.length > 0) {
    console.log(HELP);
    return values.help === true;
  }
  const { output, tools = process.env.PLUGBUS_JS_TOOLS } = values;
  return COMMANDS[command](folder, { output, tools: tools === undefined ? undefined : resolve(tools) });
}

/** Runs a command and ends the process as it ends. */
export async function runToEnd(args) {
  try {
    process.exitCode = (await main(args)) ? 0 : 1;
  } catch (error) {
    console.error(`plugbus-js: ${error.message}`);
    process.exitCode = 1;
  }
}
