/**
 * The world of one component: the contract, and of what else there is just what the bundle imports. So a plugin that uses
 * neither HTTP nor the store imports neither, and needs no grant for them.
 *
 * While a component is made, QuickJS runs in a host that has `wasi:io` but not `wasi:http`, whose stand-in then has other
 * streams than the real `wasi:io`: the types do not fit, and nothing is built. So for that time the packages that belong
 * together go by a name which that host knows nothing of, and their real one is put back into the finished component. The
 * names are of equal length, so nothing else in it moves. They are of another release than QuickJS's own imports, for a
 * component names each import once.
 */

import { access, cp, mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SDK } from "./tools.mjs";

const RENAMED = /\bwasi:(?=(?:http|io|clocks)\b)/g;
const STAND_IN = "wazi:";

/** What every component imports; a bundle does not say it where nothing of it is used. */
const CONTRACT = ["plugbus:plugin/", "wasi:logging/"];

/** The name of an interface while the component is made. */
export const guestName = (path) => path.replace(RENAMED, STAND_IN);

/** Writes the world `built` for a bundle with these imports into a folder. */
export async function writeWorld(folder, imports) {
  const deps = join(folder, "deps");
  const contract = await contractFolder();
  await mkdir(join(deps, "plugbus"), { recursive: true });
  for (const name of (await readdir(contract)).filter((name) => name.endsWith(".wit"))) {
    await cp(join(contract, name), join(deps, "plugbus", name));
  }
  await cp(join(contract, "deps"), deps, { recursive: true });
  for (const name of ["http", "io", "clocks", "random"]) {
    const file = join(deps, name, `${name}.wit`);
    await writeFile(file, guestName(await readFile(file, "utf8")));
  }
  const more = imports.filter((path) => !CONTRACT.some((prefix) => path.startsWith(prefix)));
  const lines = more.toSorted().map((path) => `  import ${path};\n`);
  const version = /package plugbus:plugin@([0-9.]+);/.exec(await readFile(join(contract, "world.wit"), "utf8"))?.[1];
  const world = `package plugbus:built;\n\nworld built {\n  include plugbus:plugin/plugin@${version};\n${lines.join("")}}\n`;
  await writeFile(join(folder, "built.wit"), world);
}

/** The component with the real names. */
export function restoreNames(component) {
  const bytes = Buffer.from(component);
  for (let at = bytes.indexOf(STAND_IN); at >= 0; at = bytes.indexOf(STAND_IN, at + 1)) {
    const name = bytes.toString("latin1", at + STAND_IN.length, at + STAND_IN.length + 8);
    if (/^(http|io|clocks)\//.test(name)) bytes.write("wasi:", at, "latin1");
  }
  return bytes;
}

/** The contract: a copy in the package where it was packed, else the repository's. */
async function contractFolder() {
  const packed = fileURLToPath(new URL("wit", SDK));
  const found = await access(packed).then(() => true, () => false);
  return found ? packed : fileURLToPath(new URL("../../wit", SDK));
}
