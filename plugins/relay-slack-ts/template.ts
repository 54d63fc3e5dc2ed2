// Messages out of events.
import type { Event } from "plugbus";

const PLACEHOLDER = /\{\{\s*([\w.-]+)\s*\}\}/g;
const ATTRIBUTES = ["topic", "source", "subject", "id", "text"] as const;

/** The message for an event, of at most so many characters. */
export function render(template: string, event: Event, textMax: number): string {
  const text = template.replace(PLACEHOLDER, (_, path: string) => escape(valueOf(path, event)));
  return text.length <= textMax ? text : `${text.slice(0, Math.max(0, textMax - 1)).toWellFormed()}…`;
}

function valueOf(path: string, event: Event): string {
  const [first = "", ...rest] = path.split(".");
  if (first === "time") return event.time.toISOString();
  if (first === "data") return shown(memberOf(event.data, rest));
  const attribute = ATTRIBUTES.find((name) => name === first);
  return attribute === undefined ? "" : (event[attribute] ?? "");
}

function memberOf(data: unknown, path: string[]): unknown {
  return path.reduce<unknown>((value, key) => {
    const isObject = typeof value === "object" && value !== null;
    return isObject && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
  }, data);
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** What Slack takes for markup: links, mentions (`<!channel>`) and entities. */
const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
