import { type Event, Reject, Retry, plugin, publish } from "plugbus";
import { request } from "plugbus/http";
import { store } from "plugbus/store";

interface Order {
  id: string;
  amount: number;
  currency: string;
}

export default plugin(({ rates }: { rates: string }) => ({
  "orders.created"({ data, attempt }: Event<Order>) {
    if (data.amount < 0) throw new Reject("the amount is negative");
    const answer = request(`${rates}/${data.currency}`);
    if (!answer.ok) throw new Retry(`no rate: ${answer.status}`, { afterMs: 1000 * attempt });
    const number = store.increment("orders");
    publish("orders.priced", { ...data, number, euros: data.amount * answer.data.euros });
  },
}));
