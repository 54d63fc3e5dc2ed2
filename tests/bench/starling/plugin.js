// A plugin on the contract itself, without the SDK: for the component that componentize-js makes with StarlingMonkey, 12 MB of which
// nearly all is the engine. It does what the conformance suite's guests do for `c.count`.

import { publish } from "plugbus:plugin/publisher@0.1.0";
import { log } from "wasi:logging/logging@0.1.0-draft";

const text = ({ tag, val }) => (tag === "text" ? val : new TextDecoder().decode(val));

export const subscriber = {
  init() {
    log("info", "starling", "starts");
    return { filters: ["c.>"] };
  },
  handle({ payload }) {
    const { n } = JSON.parse(text(payload.body));
    publish("out.count", { contentType: "application/json", body: { tag: "text", val: JSON.stringify({ n }) } }, []);
    return undefined;
  },
};
