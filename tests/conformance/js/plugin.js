// What every language's guest does: see ../README.md.
import { Reject, Retry, log, payload, plugin, publish, text } from "plugbus";

const rows = (config) => ({
  "c.good"({ data }) {
    publish("out.good", { ...data, by: "js" });
  },
  "c.retry"({ attempt }) {
    if (attempt === 1) {
      publish("out.retry", { lost: true });
      throw new Retry("not yet", { afterMs: 10 });
    }
    publish("out.retry", { attempt });
  },
  "c.reject"() {
    throw new Reject("no thanks");
  },
  "c.exception"() {
    throw new Error("boom");
  },
  "c.denied"() {
    try {
      publish("elsewhere.topic", {});
    } catch (error) {
      publish("out.denied", { error: error.code });
    }
  },
  "c.limit"() {
    for (let i = 0; ; i++) {
      try {
        publish("out.limit", { i });
      } catch (error) {
        throw new Reject(`refused after ${i}: ${error.code}`);
      }
    }
  },
  "c.request": ({ data }) => ({ got: data }),
  "c.config"() {
    publish("out.config", { greeting: config.greeting ?? null });
  },
  "c.unicode"(event) {
    publish("out.unicode", text(event.text));
  },
  "c.empty"({ byteLength }) {
    publish("out.empty", { bytes: byteLength });
  },
  "c.large"({ data, byteLength }) {
    publish("out.large", { items: data.items.length, bytes: byteLength });
  },
  "c.binary"({ bytes }) {
    publish("out.binary", payload("application/octet-stream", bytes.toReversed()));
  },
  "c.count"({ data }) {
    publish("out.count", { n: data.n });
  },
  "c.log"() {
    log.info("hello from js");
  },
});

export default plugin((config) => {
  const handlers = rows(config);
  return { "c.>": (event) => handlers[event.topic](event) };
});
