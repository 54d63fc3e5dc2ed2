/**
 * A small client for HTTP, over `wasi:http`. The manifest grants the origins that a plugin may reach:
 *
 * ```toml
 * [grants]
 * http = ["https://api.example.com"]
 * ```
 *
 * It is synchronous like everything here: it holds up this plugin and nothing else in the host. A plugin that does not import it
 * needs no grant.
 *
 * @packageDocumentation
 */

/** What to send; every part has a default. */
export interface RequestOptions {
  /** In capitals. Default `GET`. */
  method?: string;
  /** Headers by name. */
  headers?: Readonly<Record<string, string>>;
  /** Text and bytes are sent as they are; anything else as JSON, with its content type where `headers` has none. */
  body?: unknown;
  /**
   * How long the whole exchange may take, in milliseconds, until the last byte that is wanted. Default 4000: below the 5 s that a
   * handler has by default (`deadline_ms` in the manifest's `[limits]`).
   */
  timeoutMs?: number;
  /** How many bytes of the response's body are read. Default 64 KiB; what is longer is cut, and {@link Response.isCut} says so. */
  responseBytesMax?: number;
}

/** What a server answered. Any status is an answer. */
export class Response {
  private constructor();
  /** The status code, 100 to 599. */
  readonly status: number;
  /** Whether the status is 200 to 299. */
  readonly ok: boolean;
  /** Headers by name in lower case; one that came several times has its values with commas between them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the body is not whole: it is longer than was wanted, or it broke off or the time was up while it was read. */
  readonly isCut: boolean;
  /** The body. */
  readonly bytes: Uint8Array;
  /** The body as text; bytes that are no UTF-8 become U+FFFD. */
  readonly text: string;
  /**
   * The body as JSON.
   *
   * @throws `Reject` where it is none; a body that was cut is none.
   */
  readonly data: any;
}

/**
 * Sends a request and waits for the answer. Redirections are not followed. At most 32 requests for an event, by default.
 *
 * ```js
 * const { status, data } = request("https://api.example.com/rates", { method: "POST", body: { currency: "EUR" } });
 * ```
 *
 * @throws {@link HttpError} where there is no answer.
 */
export function request(url: string, options?: RequestOptions): Response;

/**
 * Sees that a text is a URL that {@link request} takes: to refuse a wrong one in the configuration at once.
 *
 * @throws {@link HttpError} with the code `invalid`.
 */
export function checkUrl(url: string): void;

/** Why a request got no answer. A handler that lets it pass asks for a retry where it is transient, and else rejects the event. */
export class HttpError extends Error {
  /**
   * - `invalid`: the method, URL or a header is malformed. Nothing was sent.
   * - `denied`: the manifest does not grant this origin.
   * - `timed-out`: no answer within the time.
   * - `connection`: no connection, or one that broke.
   */
  readonly code: "invalid" | "denied" | "timed-out" | "connection";
  /** Whether the same request may fare better later: true of the last two. */
  readonly isTransient: boolean;
  /** For the server of a test, see `plugbus/testing`. */
  constructor(code: HttpError["code"], detail: string);
}
