/** Where the pinned tools are. */

import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** The folder of this package. */
export const SDK = new URL("..", import.meta.url);

/**
 * Loads one of the tools that `package.json` pins: from `folder`/node_modules where a folder is given, else from where
 * Node finds it beside this package.
 */
export async function load(name, folder) {
  const require = createRequire(folder === undefined ? import.meta.url : join(folder, "package.json"));
  let path;
  try {
    path = require.resolve(name);
  } catch (cause) {
    const where = folder ?? "the folder of the SDK";
    throw new Error(`${name} is not installed: run \`npm ci --ignore-scripts\` in ${where}`, { cause });
  }
  const module = await import(pathToFileURL(path));
  return module.default ?? module;
}
