/** One ES module out of a project and this package. */

import { fileURLToPath } from "node:url";
import { SDK } from "./tools.mjs";
import { guestName } from "./world.mjs";

/** The entry points of this package, by what their users write. */
const ENTRIES = { plugbus: "index.js", "plugbus/http": "http.js", "plugbus/store": "store.js", "plugbus/testing": "testing.js" };

const file = (path) => fileURLToPath(new URL(path, SDK));

/** Finds this package, also where the project has it not installed, and lets WIT names pass. */
const resolver = {
  name: "plugbus",
  setup(build) {
    build.onResolve({ filter: /^plugbus(\/|$)/ }, ({ path }) => {
      const entry = ENTRIES[path];
      if (entry !== undefined) return { path: file(`src/${entry}`) };
      return { errors: [{ text: `there is no ${path}; there are: ${Object.keys(ENTRIES).join(", ")}` }] };
    });
    build.onResolve({ filter: /^(wasi|plugbus):/ }, ({ path }) => ({ path: guestName(path), external: true }));
  },
};

const COMMON = { bundle: true, write: false, format: "esm", charset: "utf8", plugins: [resolver], logLevel: "silent" };

/** A component's module: its text, and the WIT interfaces that it imports. */
export async function bundleGuest(esbuild, { entry, folder }) {
  const contents =
    `import { subscriberOf } from ${JSON.stringify(file("src/guest/subscriber.js"))};\n` +
    `import * as project from ${JSON.stringify(entry)};\n` +
    "export const subscriber = subscriberOf(project.default);\n";
  const { outputFiles, metafile } = await run(esbuild, {
    ...COMMON,
    stdin: { contents, resolveDir: folder, sourcefile: "component.js" },
    conditions: ["plugbus"],
    platform: "neutral",
    mainFields: ["module", "main"],
    target: "es2023",
    metafile: true,
  });
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  return { text: outputFiles[0].text, imports: [...new Set(imports.map(({ path }) => path))] };
}

/** A test's module, for Node. */
export async function bundleTest(esbuild, entry) {
  const { outputFiles } = await run(esbuild, {
    ...COMMON,
    entryPoints: [entry],
    platform: "node",
    target: "node20",
    sourcemap: "inline",
    packages: "external",
  });
  return outputFiles[0].text;
}

async function run(esbuild, options) {
  try {
    return await esbuild.build(options);
  } catch (error) {
    if (!Array.isArray(error.errors) || error.errors.length === 0) throw error;
    const lines = await esbuild.formatMessages(error.errors, { kind: "error", color: false });
    throw new Error(lines.join("").trimEnd(), { cause: error });
  }
}
