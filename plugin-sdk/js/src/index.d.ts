/**
 * A plugbus plugin in JavaScript or TypeScript: handlers of events, which publish further events.
 *
 * ```js
 * import { plugin, publish } from "plugbus";
 *
 * export default plugin({
 *   "chat.joined": ({ data }) => {
 *     publish("chat.said", `Welcome, ${data}!`);
 *   },
 * });
 * ```
 *
 * ## How it runs
 *
 * The module and all that it imports become one WebAssembly component with the engine QuickJS in it. Its top level runs once,
 * while it is built: what it computes is part of the component, and it can neither publish nor log. Each instance then gets its
 * configuration, and one event at a time. Variables live from event to event until the instance is replaced: after a reload or a
 * fault, when its memory grows towards its limit, or after every event where the manifest says `fresh = true`. What must last
 * goes into the store (`plugbus/store`).
 *
 * Everything is synchronous. A handler that returns a promise is an error: there is nothing to wait for, since publishing, HTTP
 * (`plugbus/http`) and the store return when they are done.
 *
 * There are the objects of ECMAScript 2024, `console` (whose lines go to the plugin's log), `TextEncoder`, `TextDecoder`, `atob`
 * and `btoa`. There is no `fetch`, no timer, no `URL`, no `Buffer` and nothing of Node: a package that needs those does not run
 * here, and what imports `node:…` does not build. `Math.random` differs from instance to instance, and is not for secrets.
 *
 * ## What the host guarantees
 *
 * Delivery is at least once: an event is handled, or becomes a dead letter that says why. It may come again, under the same
 * {@link Event.id} and {@link Event.source}: after a failure, a fault or a crash, or because its publisher repeats itself. What an
 * attempt that failed has published and stored is thrown away, and a repeated one publishes under the same ids; so only what
 * reaches the outside (HTTP) can happen twice. With one instance (the default) events come in order, and one that waits for its
 * retry holds back the ones behind it.
 *
 * ## Limits of an event
 *
 * Fuel (500 million, some tens of milliseconds of JavaScript), time (5 s), memory (128 MiB), 64 events and 1 MiB published, 16 KiB
 * of log, a reply of 1 MiB; each is a key under `[limits]` in the manifest. A loop over the bytes of large data is what costs
 * most: some thousand units of fuel for a byte where `JSON.parse` takes ten. Going over fuel, time or memory is a fault, as is JSON that is
 * nested many hundred levels deep (the stack of an instance is 512 KiB): the call is cut off, and the event is tried again on a
 * new instance, 5 times by default.
 *
 * @packageDocumentation
 */

/**
 * One event, with the attributes of CloudEvents 1.0.
 *
 * Its data is read in the form that you ask for: {@link Event.data | data} parses it as JSON, {@link Event.text | text} and
 * {@link Event.bytes | bytes} take it as it is. Handlers usually name what they need: `({ data, topic }) => …`.
 *
 * @typeParam T - What {@link Event.data | data} is taken to be. Nothing checks it.
 */
export interface Event<T = unknown> {
  /** Unique together with `source`. A repeated delivery carries the same id: use it to recognise doubles. */
  readonly id: string;
  /** Who published it, `hook/claude-code` or `plugin/redact-js` say. Who publishes from outside names itself: it is no proof. */
  readonly source: string;
  /** Tokens with dots between them, `hook.pre-tool-use.bash` say. */
  readonly topic: string;
  /** What the event is about, the id of a session say. */
  readonly subject: string | undefined;
  /** When it happened, by its publisher's clock or else the host's. */
  readonly time: Date;
  /** Extension attributes, by name. `traceparent` travels here. */
  readonly extensions: Readonly<Record<string, string>>;
  /** 1 for the first attempt to deliver this event to this plugin, 2 for the first repetition, and so on. */
  readonly attempt: number;
  /** The media type of the data, `application/json` say. Empty means bytes of no known type. */
  readonly contentType: string;
  /**
   * The data as JSON, whatever its content type says; parsed once.
   *
   * @throws {@link Reject} where it is no JSON, with the place. Let it pass: the event then becomes a dead letter that says so.
   */
  readonly data: T;
  /**
   * The data as text. No data is the empty text.
   *
   * @throws {@link Reject} where it is no UTF-8.
   */
  readonly text: string;
  /** The data as bytes. Made anew from the text each time where the data is text. */
  readonly bytes: Uint8Array;
  /** How many bytes the data has. */
  readonly byteLength: number;
}

/**
 * Handles an event. Whatever it returns, except `undefined`, is the reply to a publisher that waits for one: as JSON, or as
 * {@link text}, {@link payload} or bytes.
 *
 * It throws {@link Retry} or {@link Reject} to say no. Anything else that it throws rejects the event, with the message as the
 * reason and the stack in the plugin's log; but an `HttpError` for want of an answer, and a `StoreError`, ask for a retry.
 */
export type Handler<T = any> = (event: Event<T>) => unknown;

/**
 * Handlers by topic filter: `*` stands for one token, `>` as the last token for one or more. 1 to 64 of them. An event comes once; it goes to the first
 * handler whose filter matches, in the order in which they are written. Where there is only one, it gets every event that comes.
 *
 * `filters` in the manifest take the place of these filters, but for the choice among several handlers.
 */
export type Handlers = Readonly<Record<string, Handler>>;

/** How a plugin deals with what its handlers throw. */
export interface PluginOptions {
  /**
   * Called with anything but {@link Retry} and {@link Reject} that a handler throws, after its stack was logged. What it returns decides; where
   * that is nothing, the default does.
   */
  readonly onError?: (error: unknown, event: Event<any>) => Retry | Reject | undefined | void;
}

/** What a plugin's module exports as its default. Made by {@link plugin}. */
export interface PluginDefinition<C = any> {
  readonly make: (config: C) => Handlers;
}

/**
 * Defines the plugin: `export default plugin({ "orders.*": handle })`.
 *
 * Instead of handlers give a function that makes them of the configuration, the manifest's `[config]` table (`{}` where there is
 * none). It runs once for each instance, before its first event, and what its handlers should remember may be its variables. Check
 * the configuration there: an error that it throws refuses the plugin and is shown to the operator, and the last good version runs
 * on. Logging, HTTP and so on work there; publishing and the store do not.
 *
 * ```js
 * export default plugin(({ greeting = "Welcome" }) => {
 *   if (typeof greeting !== "string") throw new Error("config: `greeting` must be a text");
 *   return { "chat.joined": ({ data }) => text(`${greeting}, ${data}!`) };
 * });
 * ```
 *
 * @throws `TypeError` where these are no handlers; at build time.
 */
export function plugin(handlers: Handlers, options?: PluginOptions): PluginDefinition;
export function plugin<C>(make: (config: C) => Handlers, options?: PluginOptions): PluginDefinition<C>;

/**
 * Publishes an event. It leaves the plugin when the handler returns, in the order of the calls; where the handler throws, it never
 * does. Source, time and id are the host's to set; `subject` and `traceparent` of the handled event are passed on.
 *
 * @param topic - 1 to 16 tokens with dots between them, at most 255 bytes, without white space, control characters, `*` and `>`. The
 *   manifest must allow it: `publish = ["chat.>"]`.
 * @param data - Anything that has a JSON form; bytes (`Uint8Array`, `ArrayBuffer`) as bytes; or {@link text}, {@link payload}.
 * @param extensions - Names of 1 to 20 lower-case letters and digits, values of at most 4096 bytes; at most 32.
 * @returns The id that the event will have. Note that an arrow function without braces returns it as its reply.
 * @throws {@link PublishError} where the host does not take it. Nothing was published by this call, what was published before
 *   stays; the handler may go on.
 * @throws `TypeError` where the data has no JSON form.
 */
export function publish(topic: string, data: unknown, extensions?: Readonly<Record<string, string>>): string;

/** Data with its media type, to publish or to reply with. Made by {@link text} and {@link payload}. */
export interface Payload {
  readonly contentType: string;
}

/** Plain text (`text/plain`): `publish("chat.said", text("hello"))`. Without it a string is published as a JSON string. */
export function text(content: string): Payload;

/** Data of any media type: `payload("image/png", bytes)`, `payload("application/xml", "<a/>")`. */
export function payload(contentType: string, content: string | Uint8Array | ArrayBuffer): Payload;

/**
 * Writes to the plugin's log. A message that is no text is written as JSON, an `Error` with its stack. `context` names the part of the
 * plugin that speaks. Lines of one event take at most 16 KiB; what is over is cut, and counted. Never waits, never fails.
 *
 * `console.log` and its like do the same: `debug`, `log` and `info` at their level, `warn`, `error`.
 */
export const log: Readonly<
  Record<"trace" | "debug" | "info" | "warn" | "error" | "critical", (message: unknown, context?: string) => void>
>;

/**
 * "Not now": thrown by a handler, delivers the event again later. After the last attempt (5 by default) it becomes a dead letter.
 *
 * ```js
 * throw new Retry("the server is busy", { afterMs: 3000 });
 * ```
 */
export class Retry extends Error {
  /**
   * @param reason - For people: goes into logs and, after the last attempt, the dead letter. 4 KiB; what is over is cut.
   * @param options - `afterMs`: milliseconds to wait instead of the backoff of the manifest (100 ms, doubling to 30 s). The host bounds it
   *   (5 minutes by default). Later events wait meanwhile.
   * @throws `RangeError` where `afterMs` is no number from 0 on.
   */
  constructor(reason: string, options?: { afterMs?: number; cause?: unknown });
  readonly afterMs: number | undefined;
}

/** "Never": thrown by a handler, makes the event a dead letter at once, with this reason. */
export class Reject extends Error {
  constructor(reason: string, options?: { cause?: unknown });
}

/** Why the host did not take an event. */
export class PublishError extends Error {
  /**
   * - `denied`: the manifest's `publish` does not cover the topic, or it is the host's own (`plugbus.`), or no event is being handled.
   * - `invalid`: the topic, content type or an extension is malformed, or the data is over 1 MiB.
   * - `over-limit`: over the number or the bytes of what may be published for one event (64, 1 MiB).
   */
  readonly code: "denied" | "invalid" | "over-limit";
  /** The topic that was asked for. */
  readonly topic: string;
  /** What the host says, with how to mend it. */
  readonly detail: string;
  private constructor();
}
