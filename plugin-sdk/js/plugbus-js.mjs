#!/usr/bin/env node
/** `plugbus-js build` and `plugbus-js test`; `--help` has the rest. */

import { runToEnd } from "./tool/cli.mjs";

await runToEnd(process.argv.slice(2));
