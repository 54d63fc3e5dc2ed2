// The panel that shows one thing in full: an event, a dead letter.

import { $, h, toast } from './dom.js';
import { moment } from './format.js';
import { dataOf, sized } from './json.js';

const KNOWN = ['specversion', 'id', 'source', 'type', 'subject', 'time', 'datacontenttype', 'data', 'data_base64', 'seq'];

let copied = '';
let back = null;

// Opens it. `parts` are elements, `copy` is what the button copies. The focus comes back when it is closed.
export function show(title, parts, copy) {
  if ($('viewer').hidden) back = document.activeElement;
  $('viewer-title').textContent = title;
  $('viewer-body').replaceChildren(...parts);
  $('viewer-body').scrollTop = 0;
  copied = copy;
  $('viewer').hidden = false;
}

// Closes it; says whether it was open.
export function close() {
  if ($('viewer').hidden) return false;
  $('viewer').hidden = true;
  back?.focus({ preventScroll: true });
  return true;
}

export function start() {
  $('viewer-close').addEventListener('click', close);
  $('viewer-copy').addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(copied);
      toast('Copied.');
    } catch {
      toast('The browser does not let this page copy.', true);
    }
  });
}

// An event, as elements.
export function eventParts(event) {
  const facts = [
    ['Topic', event.type], ['Source', event.source], ['Subject', event.subject], ['Id', event.id], ['Number', event.seq],
    ['Time', event.time], ['Content type', event.datacontenttype],
    ...Object.keys(event).filter((name) => !KNOWN.includes(name)).map((name) => [name, event[name]]),
  ];
  const data = dataOf(event);
  return [
    factList(facts),
    h('section', {}, h('h3', {}, h('span', {}, 'Data'), h('span', {}, data ? sized(data) : 'none')), data?.element),
  ];
}

export function factList(facts) {
  const rows = facts.filter(([, value]) => value !== undefined && value !== null && value !== '');
  return h('dl.facts', {}, rows.flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, String(value))]));
}

// What went wrong once: of a fault, or of one attempt at a delivery.
export function traceParts({ stderr, backtrace }) {
  return [
    stderr ? h('pre.trace', { tabindex: '0', 'aria-label': 'standard error' }, stderr) : null,
    backtrace?.length ? h('pre.trace', { tabindex: '0', 'aria-label': 'backtrace' }, backtrace.join('\n')) : null,
  ].filter(Boolean);
}

export const since = (ns) => moment(Number(ns) / 1e6);
