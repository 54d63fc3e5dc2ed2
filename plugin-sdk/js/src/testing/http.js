/** HTTP natively: the test's own server answers. */

import { recorder } from "./host.js";

export const send = (request) => recorder("request").http(request);
