/** The client in a component: `wasi:http/outgoing-handler`, with every wait bounded by one deadline. */

import clock from "wasi:clocks/monotonic-clock@0.2.10";
import outgoing from "wasi:http/outgoing-handler@0.2.10";
import pollables from "wasi:io/poll@0.2.10";
import types from "wasi:http/types@0.2.10";
import { HttpError } from "../failure.js";
import { decodeLossy, encode } from "../utf8.js";

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
/** Codes that say that the plugin may not, that the request is wrong, or that the time was up. Any other is the connection's. */
const DENIED = ["HTTP-request-denied", "destination-IP-prohibited"];
const INVALID = /^HTTP-request-(method-invalid|URI-invalid|URI-too-long|body-size|header-section-size|header-size)$/;
const TIMED_OUT = ["connection-timeout", "connection-read-timeout", "HTTP-response-timeout"];
const NS = 1e6;

export function send(request) {
  const exchange = new Exchange(request.timeoutMs);
  try {
    return exchange.run(request);
  } finally {
    exchange.release();
  }
}

/** One request and its answer, with the host's resources that it holds. They go in the reverse order: children before parents. */
class Exchange {
  #held = [];
  #timeoutMs;
  #timer;

  constructor(timeoutMs) {
    this.#timeoutMs = timeoutMs;
    this.#timer = this.#hold(clock.subscribeDuration(Math.ceil(timeoutMs * NS)));
  }

  run(request) {
    const out = this.#hold(this.#outgoing(request));
    const body = this.#hold(out.body());
    // No options: the timer bounds every wait, and what is dropped the host gives up.
    const answer = this.#hold(this.#call(() => outgoing.handle(this.#give(out), null)));
    // After `handle`: a host may read the body only once it has a connection. Where it does not take all of it, the answer says why.
    try {
      this.#write(body, request.body);
    } catch (error) {
      if (error.code === "timed-out") throw error;
    }
    this.#wait(answer);
    // An option of a result (whether it was taken before) of a result (whether there is one).
    const got = answer.get();
    if (got?.tag !== "ok") throw broken("the answer is not there");
    const { tag, val } = got.val;
    if (tag !== "ok") throw this.#error(val);
    return this.#read(this.#hold(val), request.responseBytesMax);
  }

  release() {
    for (const resource of this.#held.reverse()) resource[Symbol.dispose]();
    this.#held = [];
  }

  #outgoing({ method, isHttps, authority, path, headers }) {
    const fields = this.#hold(new types.Fields());
    for (const [name, value] of headers) {
      attempt(() => fields.append(name, encode(value)), `the host refuses the header \`${name}\``);
    }
    const out = new types.OutgoingRequest(this.#give(fields));
    const known = METHODS.includes(method) ? { tag: method.toLowerCase() } : { tag: "other", val: method };
    attempt(() => out.setMethod(known), `the host refuses the method \`${method}\``);
    attempt(() => out.setScheme({ tag: isHttps ? "HTTPS" : "HTTP" }), "the host refuses the scheme");
    attempt(() => out.setAuthority(authority), `the host refuses the authority \`${authority}\``);
    attempt(() => out.setPathWithQuery(path), "the host refuses the path");
    return out;
  }

  #write(body, data) {
    const stream = this.#hold(this.#call(() => body.write()));
    for (let at = 0; at < data.length; ) {
      this.#wait(stream);
      const room = Math.min(this.#call(() => stream.checkWrite()), data.length - at);
      this.#call(() => stream.write(data.subarray(at, at + room)));
      at += room;
    }
    this.#call(() => stream.flush());
    this.#wait(stream);
    this.#drop(stream);
    this.#call(() => types.OutgoingBody.finish(this.#give(body), null));
  }

  #read(response, bytesMax) {
    const fields = this.#hold(response.headers());
    const headers = fields.entries().map(([name, value]) => [name, decodeLossy(Uint8Array.from(value))]);
    this.#drop(fields);
    const chunks = [];
    const isCut = !this.#readBody(response, bytesMax, chunks);
    const body = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      body.set(chunk, at);
      at += chunk.length;
    }
    return { status: response.status(), headers, body, isCut };
  }

  /** Reads as much as is wanted; whether that is all. One byte more is asked for, to know whether there is more. */
  #readBody(response, bytesMax, chunks) {
    const stream = this.#hold(this.#hold(response.consume()).stream());
    let left = Math.floor(bytesMax);
    for (;;) {
      try {
        this.#wait(stream);
        const chunk = Uint8Array.from(stream.read(left + 1));
        if (chunk.length > left) {
          chunks.push(chunk.subarray(0, left));
          return false;
        }
        chunks.push(chunk);
        left -= chunk.length;
      } catch (error) {
        const isEnd = error.payload?.tag === "closed";
        if (!isEnd) this.#streamError(error);
        return isEnd;
      }
    }
  }

  #wait(what) {
    const pollable = this.#hold(what.subscribe());
    // The first counts even when the time is up as well.
    const isReady = Array.from(pollables.poll([pollable, this.#timer])).includes(0);
    this.#drop(pollable);
    if (!isReady) throw this.#timedOut();
  }

  #call(run) {
    try {
      return run();
    } catch (error) {
      throw this.#streamError(error);
    }
  }

  /** What an error of a stream, or a code, means. */
  #streamError(error) {
    if (error.payload === undefined) return error;
    const { tag, val } = error.payload;
    if (tag === "closed") return broken("the connection was closed early");
    if (tag !== "last-operation-failed") return this.#error(error.payload);
    this.#hold(val);
    const code = types.httpErrorCode(val);
    // A host may put a whole report there; its first line is for people.
    const failure = code === null ? broken(val.toDebugString().split("\n")[0]) : this.#error(code);
    this.#drop(val);
    return failure;
  }

  #error({ tag, val }) {
    if (DENIED.includes(tag)) {
      return new HttpError("denied", `${tag}: the manifest does not let the plugin go there: [grants] http = ["https://host"]`);
    }
    if (TIMED_OUT.includes(tag)) return this.#timedOut();
    const detail = typeof val === "string" ? val : tag;
    return INVALID.test(tag) ? new HttpError("invalid", detail) : broken(detail);
  }

  #timedOut() {
    return new HttpError("timed-out", `no answer within ${this.#timeoutMs} ms`);
  }

  #hold(resource) {
    this.#held.push(resource);
    return resource;
  }

  /** Hands a resource over: it is no longer ours to drop. */
  #give(resource) {
    this.#held = this.#held.filter((held) => held !== resource);
    return resource;
  }

  #drop(resource) {
    this.#give(resource)[Symbol.dispose]();
  }
}

const broken = (detail) => new HttpError("connection", detail);

function attempt(run, problem) {
  try {
    run();
  } catch {
    throw new HttpError("invalid", problem);
  }
}
