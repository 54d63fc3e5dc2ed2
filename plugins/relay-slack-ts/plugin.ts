// Posts a message for each event to a chat webhook.
import { type Event, Retry, log, plugin } from "plugbus";
import { request } from "plugbus/http";
import { type Config, readConfig } from "./config.js";
import { countDropped, countSent, room } from "./limiter.js";
import { render } from "./template.js";
import { judge } from "./verdict.js";

/** Enough for the text of an error. */
const RESPONSE_BYTES_MAX = 4096;

export default plugin((given: Record<string, unknown>) => {
  const config = readConfig(given);
  const handle = (event: Event): void => relay(event, config);
  return { "hook.notification": handle, "hook.notification.>": handle };
});

function relay(event: Event, config: Config): void {
  const now = Date.now();
  const free = room(now, config.per_minute);
  if (!free.isFree) {
    if (config.over === "wait") throw new Retry(`${config.per_minute} messages were sent this minute`, { afterMs: free.waitMs });
    log.debug(`dropped: ${config.per_minute} messages were sent this minute`);
    return countDropped(now);
  }
  const note = free.dropped === 0 ? "" : `\n(${free.dropped} more before this were not shown)`;
  const text = render(config.template, event, config.text_max) + note;
  const { url, timeout_ms: timeoutMs } = config;
  const response = request(url, { method: "POST", body: { text }, timeoutMs, responseBytesMax: RESPONSE_BYTES_MAX });
  judge(response, now);
  countSent(now);
}
