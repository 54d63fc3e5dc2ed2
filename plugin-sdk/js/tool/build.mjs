/** From a project to a component. */

import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { tmpdir } from "node:os";
import { bundleGuest } from "./bundle.mjs";
import { load } from "./tools.mjs";
import { readProject } from "./project.mjs";
import { restoreNames, writeWorld } from "./world.mjs";

/**
 * Builds the plugin of the project in `folder`. `output` is the component's file, by default `NAME.wasm` in the project;
 * `tools` a folder whose node_modules has the pinned tools. Says where the component is and how large.
 */
export async function build(folder, { output, tools } = {}) {
  const { name, entry } = await readProject(folder);
  const [esbuild, { componentize }] = await Promise.all([load("esbuild", tools), load("componentize-qjs", tools)]);
  const { text, imports } = await bundleGuest(esbuild, { entry, folder: resolve(folder) });

  const work = await mkdtemp(join(tmpdir(), "plugbus-js-"));
  try {
    await writeWorld(work, imports);
    // `sync`: the contract is synchronous, and the host has no asynchronous calls.
    const { component } = await componentize({ witPath: work, world: "built", jsSource: text, sync: true }).catch((cause) => {
      throw new Error(`no component can be made of ${name}: ${cause.message}\n${HINT}`, { cause });
    });
    const path = resolve(output ?? join(folder, `${name}.wasm`));
    await mkdir(dirname(path), { recursive: true });
    // By way of a rename, so that a host that watches the folder never sees half of it.
    const staged = `${path}.new`;
    await writeFile(staged, restoreNames(component));
    await rename(staged, path);
    return { path, bytes: component.length };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const HINT =
  "The top level of the plugin's modules runs while it is built: it can neither publish nor log nor ask for the time of an event.";
