/**
 * Runs a plugin natively, in an ordinary test, and shows what it did.
 *
 * ```js
 * import assert from "node:assert/strict";
 * import { test } from "node:test";
 * import { host } from "plugbus/testing";
 * import greet from "./plugin.js";
 *
 * test("whoever joins is greeted", () => {
 *   const bus = host(greet, { config: { greeting: "Welcome" } });
 *   assert.deepEqual(bus.send("chat.joined", "Ada"), { outcome: "acked" });
 *   assert.equal(bus.published[0].data, "Welcome, Ada!");
 * });
 * ```
 *
 * It is the same code that runs in the component, with the host played by this module, by the host's rules: what a handler that fails has
 * published and stored is thrown away, topics and extensions are checked, publishes and values are bounded. Easier than on a real host
 * are: every topic but `plugbus.…` may be published unless {@link HostOptions.publish} says otherwise; fuel, time and memory are not
 * bounded; and the engine is Node's, which has more than QuickJS has.
 *
 * @packageDocumentation
 */

import type { PluginDefinition } from "./index.js";

/** What a request of the plugin looks like to the test's server. */
export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  /** Names in lower case, and values. */
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly body: Uint8Array;
  readonly timeoutMs: number;
  readonly responseBytesMax: number;
}

/** What it answers; without a status 200. */
export interface HttpAnswer {
  status?: number;
  headers?: Readonly<Record<string, string>>;
  body?: string | Uint8Array;
}

/** What the manifest would say, and the rest of the world. */
export interface HostOptions {
  /** The `[config]` table. */
  config?: unknown;
  /** The `publish` filters: topics that they do not cover are denied. Default `[">"]`. */
  publish?: readonly string[];
  /** Bounds on what one event may publish: by default 64 events, 1 MiB. */
  limits?: { publishesMax?: number; publishBytes?: number };
  /** The server that answers HTTP requests. It may throw an `HttpError`. */
  http?: (request: HttpRequest) => HttpAnswer | undefined | void;
}

/** The attributes of an event; those that are left out are made up. */
export interface EventAttributes {
  id?: string;
  source?: string;
  subject?: string;
  time?: Date;
  extensions?: Readonly<Record<string, string>>;
  attempt?: number;
  /** Instead of the one that goes with the data. */
  contentType?: string;
}

/** Data that left the plugin, to be read in whichever form. */
export interface Sent {
  readonly contentType: string;
  readonly data: any;
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly byteLength: number;
}

/** An event that left the plugin. */
export interface Published extends Sent {
  /** The id that `publish` returned. */
  readonly id: string;
  readonly topic: string;
  /** That of the event which it follows from. */
  readonly subject: string | null;
  readonly extensions: Readonly<Record<string, string>>;
}

/** What became of an event. */
export type Outcome =
  | { outcome: "acked"; reply?: Sent }
  | { outcome: "retry"; reason: string; afterMs?: number }
  | { outcome: "reject"; reason: string };

/** One instance of a plugin, and its host. */
export class TestHost {
  /** The filters that the plugin registered. */
  readonly filters: readonly string[];
  /** What was published by handlers that acked, oldest first. */
  readonly published: readonly Published[];
  /** The log, oldest line first; of the set-up too, and of handlers that failed. */
  readonly logs: ReadonlyArray<{ level: string; context: string; message: string }>;
  /** The HTTP requests that were sent, oldest first. */
  readonly requests: readonly HttpRequest[];
  private constructor();
  /**
   * Gives the plugin an event, whatever its topic.
   *
   * @param data - As for `publish`: JSON, bytes, `text(…)`, `payload(…)`. Left out: no data.
   */
  send(topic: string, data?: unknown, attributes?: EventAttributes): Outcome;
  /** Whether the plugin would be given events of this topic. */
  subscribesTo(topic: string): boolean;
  /** Takes out what was published, so that the next look shows only what is new. */
  takePublished(): Published[];
  /** Makes the instance anew, as a reload does. The store stays, and so does what was published and logged. */
  reload(config?: unknown): void;
}

/**
 * Makes an instance of a plugin.
 *
 * @throws `Error` with the text that the operator would see, where the plugin refuses its configuration.
 */
export function host(definition: PluginDefinition, options?: HostOptions): TestHost;
