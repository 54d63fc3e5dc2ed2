#!/usr/bin/env node
/** `node build.mjs DIR [-o FILE]`: makes a component of a project. The same as `plugbus-js build`. */

import { runToEnd } from "./tool/cli.mjs";

await runToEnd(["build", ...process.argv.slice(2)]);
