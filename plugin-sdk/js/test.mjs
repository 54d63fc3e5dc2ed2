#!/usr/bin/env node
/** `node test.mjs DIR`: runs a project's tests natively. The same as `plugbus-js test`. */

import { runToEnd } from "./tool/cli.mjs";

await runToEnd(["test", ...process.argv.slice(2)]);
