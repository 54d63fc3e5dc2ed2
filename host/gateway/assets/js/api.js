// Requests to the host. Every address is relative to the page, so that it works under any path it is mounted at.

// Longest wait for an answer.
const LIMIT_MS = 15_000;

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

let signIn = null;

// What to do when the host asks for a token.
export const onSignIn = (ask) => { signIn = ask; };

export const address = (path) => new URL(path, document.baseURI).href;

export async function request(method, path, body, headers = {}) {
  const options = { method, signal: AbortSignal.timeout(LIMIT_MS), headers: { accept: 'application/json', ...headers } };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers['content-type'] = 'application/json';
  }
  let response;
  try {
    response = await fetch(address(path), options);
  } catch (error) {
    throw new Refused(0, error.name === 'TimeoutError' ? 'the host did not answer in time' : 'the host cannot be reached');
  }
  if (response.status === 401 && !headers.authorization) signIn?.();
  const said = await response.text();
  if (!response.ok) throw new Refused(response.status, problem(said) ?? `${response.status} ${response.statusText}`);
  return said === '' ? null : JSON.parse(said);
}

// What problem+json says.
function problem(text) {
  try {
    return JSON.parse(text).detail;
  } catch {
    return null;
  }
}

export const get = (path) => request('GET', path);
export const post = (path, body) => request('POST', path, body);

// A part of a path that comes from outside.
export const part = (text) => encodeURIComponent(text);
