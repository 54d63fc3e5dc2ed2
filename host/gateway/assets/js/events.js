// The live list.

import { address } from './api.js';
import { $, attr, h, text } from './dom.js';
import { clock, count, rate } from './format.js';
import { VirtualList } from './list.js';
import { eventParts, show } from './viewer.js';

const ROWS_MAX = 5000;
// Events from before the page was opened.
const PAST_SHOWN = 200;
// Rows that are kept for a list that is paused.
const HELD_MAX = 5000;
// Over how long a rate is taken.
const WINDOW_MS = 2000;
// How long the list keeps still after the pointer has moved over it.
const AIM_MS = 1500;

let list;
let worker;
let paused = false;
let held = [];
let heldCount = 0;
let recent = [];
let filtered = false;
let lastMissed = 0;
// When the pointer last moved over the list.
let pointed = -Infinity;
let missedShown = 0;

export function start({ onState, onRate, onPicture }) {
  list = new VirtualList($('list'), $('list-inner'), { paint, open, max: ROWS_MAX });
  worker = new Worker(new URL('./stream-worker.js', import.meta.url), { type: 'module' });
  worker.onmessage = ({ data }) => {
    if (data.state) onState(data.state);
    if (data.listed) {
      clear();
      list.add(data.listed);
    }
    if (data.tick) {
      tick(data.tick, onRate);
      if (data.tick.picture) onPicture(data.tick.picture);
    }
    if (data.shown) shown(data.shown, data.raw);
  };
  let typing = 0;
  $('filter').addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(applyFilter, 120);
  });
  $('pause').addEventListener('click', () => setPaused(!paused));
  $('clear').addEventListener('click', clear);
  $('list').addEventListener('pointermove', () => { pointed = performance.now(); });
}

// Opens the stream: `filters` are what may be seen, `last` is the number of the last event that the host remembers. A few from
// before it are listed too.
export function connect(filters, last) {
  const query = new URLSearchParams(filters.map((filter) => ['filter', filter]));
  if (last > 0) query.set('from', String(Math.max(last - PAST_SHOWN + 1, 1)));
  worker.postMessage({ open: address(`v1/stream?${query}`), past: last });
}

export const disconnect = () => worker.postMessage({ close: true });

function applyFilter() {
  const wanted = $('filter').value.trim();
  filtered = wanted !== '';
  // The worker answers with what is kept and matches.
  worker.postMessage({ filter: wanted });
}

function clear() {
  held = [];
  heldCount = 0;
  list.clear();
}

// Whoever aims at a row finds it where it was.
const pointedAt = () => performance.now() - pointed < AIM_MS && $('list').matches(':hover');

export const togglePause = () => setPaused(!paused);

function setPaused(wanted) {
  paused = wanted;
  $('pause').ariaPressed = paused;
  text($('pause').firstElementChild, paused ? 'Resume' : 'Pause');
  if (!paused) {
    list.add(held);
    held = [];
    heldCount = 0;
  }
}

function tick(sums, onRate) {
  if (paused || pointedAt()) {
    held.push(...sums.rows);
    heldCount += sums.seen;
    if (held.length > HELD_MAX) held = held.slice(-HELD_MAX);
  } else {
    list.add([...held, ...sums.rows]);
    held = [];
    heldCount = 0;
  }
  $('events-empty').hidden = list.items.length > 0;
  const now = performance.now();
  recent.push({ at: now, total: sums.total, matched: sums.seen, shown: sums.rows.length, missed: sums.missed });
  recent = recent.filter((sample) => now - sample.at <= WINDOW_MS);
  const first = recent[0];
  const seconds = Math.max((now - first.at) / 1000, 0.5);
  const perSecond = (value) => value / seconds;
  const total = perSecond(sums.total - first.total + sums.missed - first.missed);
  onRate(total);
  const later = recent.slice(1);
  const matched = perSecond(later.reduce((sum, { matched }) => sum + matched, 0));
  const shownRate = perSecond(later.reduce((sum, { shown }) => sum + shown, 0));
  say({ total, matched, shown: shownRate, sums });
}

function say({ matched, shown, sums }) {
  const missed = sums.missed - lastMissed;
  lastMissed = sums.missed;
  if (missed > 0) missedShown = performance.now() + 5000;
  const parts = [];
  if (paused) parts.push(['Paused', `: ${count(heldCount)} more since.`]);
  if (matched > shown + 1) {
    parts.push(['Sampled', `: ${rate(shown)} of ${rate(matched)} events/s are listed. Counts and the picture are of all.`]);
  }
  if (performance.now() < missedShown) {
    parts.push(['Too fast', `: the host left out ${count(sums.missed)} events in all for this page.`]);
  }
  if (filtered) parts.push(['', `${count(sums.matched)} of ${count(sums.looked)} events match.`]);
  else if (parts.length === 0 && sums.total > 0) parts.push(['', `${count(sums.total)} events since this page was opened.`]);
  if (sums.malformed > 0) parts.push(['', `${count(sums.malformed)} could not be read.`]);
  const note = $('filter-note');
  attr(note, 'data-missed', sums.missed);
  const wanted = parts.map((part) => part.join('')).join(' ');
  if (note.said === wanted) return;
  note.said = wanted;
  note.classList.toggle('warn', parts.some(([word]) => word === 'Sampled' || word === 'Too fast'));
  note.replaceChildren(...parts.flatMap(([word, rest]) => [word ? h('b', {}, word) : '', `${rest} `]));
}

function paint(row, item) {
  if (!row.cells) {
    row.cells = ['time', 'span.topic', 'span.source', 'span.preview'].map((tag) => h(tag));
    row.append(...row.cells);
  }
  const [time, topic, source, preview] = row.cells;
  text(time, clock(item.time));
  text(topic, item.topic);
  text(source, item.source);
  text(preview, item.preview);
  row.classList.toggle('host', item.topic.startsWith('plugbus.'));
  row.classList.toggle('trouble', /^plugbus\.(delivery\.|plugin\.(rejected|suspended))/.test(item.topic));
}

function open(item) {
  worker.postMessage({ show: item.key });
}

function shown(key, raw) {
  const item = list.items.find((item) => item.key === key);
  if (!item) return;
  if (raw === null) {
    show(item.topic, [h('p', {}, 'This page no longer holds the whole event: too much came after it.')], '');
    return;
  }
  show(item.topic, eventParts(JSON.parse(raw)), raw);
}

export const focusFilter = () => $('filter').focus();
export const focusList = () => $('list').focus();
export const redraw = () => list.refresh();
