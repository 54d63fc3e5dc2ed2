/** What a project says about itself in its package.json. */

import { access, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";

/** The same rule as the host's for the names of plugins. */
const NAME = /^[a-z0-9-]{1,64}$/;

/** The name of the plugin and the file that it begins with. */
export async function readProject(folder) {
  const path = join(folder, "package.json");
  let manifest;
  try {
    manifest = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new Error(`${path} cannot be read: ${cause.message}`, { cause });
  }
  const { name, main } = manifest;
  if (!NAME.test(name ?? "")) {
    throw new Error(`${path}: \`name\` must be 1 to 64 of a-z, 0-9 and -, for the plugin is called so; it is ${JSON.stringify(name)}`);
  }
  if (typeof main !== "string") throw new Error(`${path}: \`main\` must name the plugin's module, "plugin.js" say`);
  const entry = resolve(folder, main);
  await access(entry).catch((cause) => {
    throw new Error(`${path}: \`main\` names ${main}, which is not there`, { cause });
  });
  return { name, entry };
}
