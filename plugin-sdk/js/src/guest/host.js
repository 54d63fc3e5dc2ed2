/** The host, as a component sees it. */

import logging from "wasi:logging/logging@0.1.0-draft";
import publisher from "plugbus:plugin/publisher@0.1.0";

export const publish = (topic, payload, extensions) => publisher.publish(topic, payload, extensions);
export const log = (level, context, message) => logging.log(level, context, message);
