// What every language's guest does: see ../README.md.
import { type Event, PublishError, Reject, Retry, log, payload, plugin, publish, text } from "plugbus";

interface Config {
  greeting?: string;
}

/** Publishes, and says why the host did not take it where that is so. */
function refusal(topic: string, data: unknown): PublishError["code"] | undefined {
  try {
    publish(topic, data);
    return undefined;
  } catch (error) {
    if (error instanceof PublishError) return error.code;
    throw error;
  }
}

function retry(attempt: number): void {
  if (attempt === 1) {
    publish("out.retry", { lost: true });
    throw new Retry("not yet", { afterMs: 10 });
  }
  publish("out.retry", { attempt });
}

function limit(): never {
  for (let i = 0; ; i++) {
    const code = refusal("out.limit", { i });
    if (code !== undefined) throw new Reject(`refused after ${i}: ${code}`);
  }
}

function handle(event: Event, config: Config): unknown {
  switch (event.topic) {
    case "c.good":
      publish("out.good", { ...(event.data as Record<string, unknown>), by: "ts" });
      return;
    case "c.retry":
      return retry(event.attempt);
    case "c.reject":
      throw new Reject("no thanks");
    case "c.exception":
      throw new Error("boom");
    case "c.denied":
      publish("out.denied", { error: refusal("elsewhere.topic", {}) });
      return;
    case "c.limit":
      return limit();
    case "c.request":
      return { got: event.data };
    case "c.config":
      publish("out.config", { greeting: config.greeting ?? null });
      return;
    case "c.unicode":
      publish("out.unicode", text(event.text));
      return;
    case "c.empty":
      publish("out.empty", { bytes: event.byteLength });
      return;
    case "c.large": {
      const { items } = event.data as { items: string[] };
      publish("out.large", { items: items.length, bytes: event.byteLength });
      return;
    }
    case "c.binary":
      publish("out.binary", payload("application/octet-stream", event.bytes.toReversed()));
      return;
    case "c.count":
      publish("out.count", { n: (event.data as { n: number }).n });
      return;
    case "c.log":
      log.info("hello from ts");
      return;
  }
}

export default plugin((config: Config) => ({ "c.>": (event: Event) => handle(event, config) }));
