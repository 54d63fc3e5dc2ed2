// What must and what must not pass the type checker; it is not run.
import { type Event, PublishError, Retry, log, plugin, publish, text } from "plugbus";
import { request } from "plugbus/http";
import { store } from "plugbus/store";
import { host } from "plugbus/testing";

interface Order {
  id: number;
}

const handlers = plugin({ "orders.*": ({ data }: Event<Order>) => publish("orders.seen", data.id, { session: "s" }) });
const configured = plugin(({ url }: { url: string }) => ({ a: () => text(request(url).text) }), { onError: () => new Retry("again") });

const outcome = host(configured, { config: { url: "http://a" } }).send("a", 1);
if (outcome.outcome === "retry") log.info(outcome.afterMs ?? outcome.reason);
const count: number | undefined = store.get<number>("n");
export const code = (error: PublishError): "denied" | "invalid" | "over-limit" => error.code;
export { count, handlers };

// @ts-expect-error: a handler must be a function.
plugin({ a: 1 });
// @ts-expect-error: extensions are texts.
publish("a", 1, { n: 1 });
// @ts-expect-error: the data is missing.
publish("a");
// @ts-expect-error: the delay is a number.
new Retry("x", { afterMs: "3 s" });
