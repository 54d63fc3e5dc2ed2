/** Before the package is packed: the contract goes into it. */

import { cp } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const path = (from) => fileURLToPath(new URL(from, import.meta.url));

await cp(path("../../../wit"), path("../wit"), { recursive: true });
