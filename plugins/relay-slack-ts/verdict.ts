// What an answer means for the event.
import { Reject, Retry } from "plugbus";
import type { Response } from "plugbus/http";

const EXCERPT_MAX = 200;
const PASSING = [408, 425, 429];

/** Returns where the message was taken, and else throws what is to become of the event. */
export function judge(response: Response, now: number): void {
  if (response.ok) return;
  const { status } = response;
  const excerpt = response.text.trim().slice(0, EXCERPT_MAX).replace(/[\x00-\x1f\x7f]/g, " ");
  const reason = `the webhook answered ${status}${excerpt === "" ? "" : `: ${excerpt}`}`;
  if (PASSING.includes(status) || status >= 500) {
    const afterMs = retryAfterMs(response.headers["retry-after"], now);
    throw new Retry(reason, afterMs === undefined ? {} : { afterMs });
  }
  throw new Reject(reason);
}

/** Milliseconds of a `Retry-After`, which is a number of seconds or a date. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  const text = header?.trim() ?? "";
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1000;
  const at = /^[A-Z][a-z]{2}, /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
