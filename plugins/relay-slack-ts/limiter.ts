// How many messages there may be in a minute. What is counted is committed with the ack, so each message counts once.
import { store } from "plugbus/store";

const MINUTE_MS = 60_000;
const KEY = "minute";

/** A minute by the clock, the messages sent in it, and those that were dropped since the last message. */
interface Minute {
  start: number;
  sent: number;
  dropped: number;
}

/** Whether there is room for one more message; if not, for how long. `dropped` are those of which nobody was told yet. */
export type Room = { isFree: true; dropped: number } | { isFree: false; waitMs: number };

export function room(now: number, perMinute: number): Room {
  const { start, sent, dropped } = current(now);
  return sent < perMinute ? { isFree: true, dropped } : { isFree: false, waitMs: start + MINUTE_MS - now };
}

export function countSent(now: number): void {
  const minute = current(now);
  store.set(KEY, { ...minute, sent: minute.sent + 1, dropped: 0 });
}

export function countDropped(now: number): void {
  const minute = current(now);
  store.set(KEY, { ...minute, dropped: minute.dropped + 1 });
}

function current(now: number): Minute {
  const start = now - (now % MINUTE_MS);
  const last = store.get<Minute>(KEY);
  // A clock that was set back must not close the plugin's mouth for long: only the same minute counts.
  if (last?.start === start) return last;
  return { start, sent: 0, dropped: last?.dropped ?? 0 };
}
