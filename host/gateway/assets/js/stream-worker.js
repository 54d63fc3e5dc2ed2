// Reads the event stream away from the page, so that no flood can freeze it: everything is counted here, and the page gets
// at most a few rows ten times a second. Whole events stay here until the page asks for one.

import { parse } from './query.js';
import { Sample, Store, Tally } from './sample.js';

const TICK_MS = 100;
// Ten ticks, one picture.
const TICKS_PER_PICTURE = 10;
const PAIRS_SHOWN = 300;
// Whole events that can be looked at later: as many as the page lists, and no more than this in characters.
const EVENTS_KEPT = 5000;
const CHARS_KEPT = 48 << 20;
const PREVIEW_CHARS = 200;
// Of one event so much is searched for a word of the filter.
const SEARCH_CHARS = 256 << 10;

const sample = new Sample();
const store = new Store(EVENTS_KEPT, CHARS_KEPT);
const tally = new Tally();
// `looked` is how many the filter in force has seen.
const sum = { total: 0, looked: 0, matched: 0, missed: 0, malformed: 0 };

let filter = null;
let source = null;
// Events up to this number were there before the page was: they are listed, and not counted.
let past = 0;
let key = 0;
let ticks = 0;

self.onmessage = ({ data }) => {
  if (data.close) source?.close();
  if (data.open) {
    past = data.past;
    open(data.open);
  }
  if (data.filter !== undefined) {
    filter = parse(data.filter);
    // What was about to be listed is kept like the rest, and judged anew with it.
    for (const entry of sample.take(order).rows) store.put(entry.key, entry.raw);
    sum.looked = 0;
    sum.matched = 0;
    self.postMessage({ listed: again() });
  }
  if (data.show) self.postMessage({ shown: data.show, raw: store.get(data.show) ?? null });
};

function open(url) {
  source?.close();
  source = new EventSource(url);
  source.onopen = () => self.postMessage({ state: 'live' });
  source.onerror = () => self.postMessage({ state: source.readyState === EventSource.CLOSED ? 'closed' : 'lost' });
  source.onmessage = ({ data }) => take(data);
  // The host stops: the browser asks again until it is back.
  source.addEventListener('bye', () => self.postMessage({ state: 'lost' }));
  source.addEventListener('missed', ({ data }) => { sum.missed += missed(data); });
}

// The count in what the host says of events that it could not send.
function missed(data) {
  try {
    const said = JSON.parse(data);
    // Of those that are too old for the host nobody knows whether they were wanted.
    return said.reason === 'slow' ? Number(said.count) || 0 : 0;
  } catch {
    return 0;
  }
}

function take(raw) {
  let event;
  try {
    event = JSON.parse(raw);
  } catch {
    sum.malformed += 1;
    return;
  }
  // The host's own have no number that counts, and are never from the past.
  const live = event.seq > past || String(event.type).startsWith('plugbus.');
  if (live) {
    sum.total += 1;
    sum.looked += 1;
    tally.add(String(event.source), String(event.type));
  }
  if (filter && !filter(event, searchable(raw))) return;
  if (live) sum.matched += 1;
  const place = sample.place();
  if (place >= 0) {
    key += 1;
    sample.kept[place] = { key, event, raw };
  }
}

const order = (entry) => entry.key;

// The rows of what is kept, by the filter in force.
function again() {
  const all = [...store.kept].map(([key, raw]) => ({ key, raw, event: JSON.parse(raw) }));
  return all.filter(({ event, raw }) => !filter || filter(event, searchable(raw))).map(shown);
}

const searchable = (raw) => () => raw.slice(0, SEARCH_CHARS).toLowerCase();

function row(entry) {
  store.put(entry.key, entry.raw);
  return shown(entry);
}

// What the list shows of an event.
function shown({ key, event }) {
  return {
    key,
    seq: event.seq,
    time: Date.parse(event.time),
    topic: String(event.type),
    source: String(event.source),
    preview: preview(event),
  };
}

function preview(event) {
  if (event.data_base64 !== undefined) return `(${Math.floor(String(event.data_base64).length * 0.75)} bytes)`;
  if (event.data === undefined) return '';
  const text = typeof event.data === 'string' ? event.data : JSON.stringify(event.data);
  return text.length > PREVIEW_CHARS ? `${text.slice(0, PREVIEW_CHARS)}…` : text;
}

setInterval(() => {
  const { rows, seen } = sample.take(order);
  ticks += 1;
  const picture = ticks % TICKS_PER_PICTURE === 0 ? tally.top(PAIRS_SHOWN) : null;
  self.postMessage({ tick: { rows: rows.map(row), seen, ...sum, picture } });
}, TICK_MS);
