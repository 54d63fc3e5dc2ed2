/** What a plugin is written with; the documentation is in `index.d.ts`. */
export { plugin } from "./plugin.js";
export { publish } from "./publish.js";
export { payload, text } from "./payload.js";
export { log } from "./log.js";
export { PublishError, Reject, Retry } from "./failure.js";
