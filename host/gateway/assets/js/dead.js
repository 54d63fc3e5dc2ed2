// Dead letters: look, deliver again, drop.

import { Refused, get, part, post } from './api.js';
import { $, h, text, toast } from './dom.js';
import { count } from './format.js';
import { eventParts, factList, show, since, traceParts } from './viewer.js';

const PAGE = 100;
// Ids in one request, the host's own bound.
const IDS_MAX = 1000;

let letters = [];
let total = 0;
let next = null;
const chosen = new Set();
let opened = null;
let refreshing = false;
let known = -1;

export function start() {
  let typing = 0;
  $('dead-topic').addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(reload, 200);
  });
  $('dead-plugin').addEventListener('change', reload);
  $('dead-more').addEventListener('click', () => load(true));
  $('dead-all').addEventListener('change', ({ target }) => {
    chosen.clear();
    if (target.checked) letters.slice(0, IDS_MAX).forEach(({ id }) => chosen.add(id));
    draw();
  });
  $('dead-replay').addEventListener('click', () => change('replay'));
  $('dead-drop').addEventListener('click', () => {
    const n = chosen.size;
    if (confirm(`Drop ${count(n)} dead letter${n === 1 ? '' : 's'} for good?`)) change('drop');
  });
  $('dead-table').tBodies[0].addEventListener('keydown', keys);
}

// The number of letters, as the statistics have it: a new one is a reason to look again.
export function updateCount(n, subscriptions) {
  text($('count-dead'), n > 0 ? count(n) : '');
  $('count-dead').classList.toggle('bad', n > 0);
  const select = $('dead-plugin');
  const names = subscriptions.map(({ name }) => name).filter((name) => name.startsWith('plugin/'));
  const said = names.join('\n');
  if (select.said !== said) {
    select.said = said;
    const value = select.value;
    select.replaceChildren(h('option', { value: '' }, 'all subscriptions'), ...names.map((name) => h('option', { value: name.slice(7) }, name)));
    select.value = names.includes(`plugin/${value}`) ? value : '';
  }
  if (n !== known) {
    known = n;
    if (!$('view-dead').hidden) reload();
  }
}

export const reload = () => load(false);

async function load(more) {
  if (refreshing) return;
  refreshing = true;
  const query = new URLSearchParams({ limit: String(more ? PAGE : Math.min(Math.max(letters.length, PAGE), 1000)) });
  if ($('dead-topic').value.trim()) query.set('topic', $('dead-topic').value.trim());
  if ($('dead-plugin').value) query.set('plugin', $('dead-plugin').value);
  if (more && next !== null) query.set('before', String(next));
  try {
    const page = await get(`v1/dead?${query}`);
    letters = more ? letters.concat(page.dead_letters) : page.dead_letters;
    total = page.total;
    next = page.next;
    const here = new Set(letters.map(({ id }) => id));
    for (const id of chosen) if (!here.has(id)) chosen.delete(id);
    draw();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    text($('dead-note'), error.message);
    $('dead-note').classList.add('warn');
  } finally {
    refreshing = false;
  }
}

function draw() {
  const body = $('dead-table').tBodies[0];
  const focused = document.activeElement?.closest?.('#dead-table tr')?.dataset.id;
  const inBox = document.activeElement?.type === 'checkbox';
  body.replaceChildren(...letters.map(line));
  if (focused) {
    const row = body.querySelector(`tr[data-id="${focused}"]`);
    (inBox ? row?.querySelector('input') : row)?.focus({ preventScroll: true });
  }
  const all = $('dead-all');
  all.checked = letters.length > 0 && chosen.size === letters.length;
  all.indeterminate = chosen.size > 0 && !all.checked;
  $('dead-empty').hidden = letters.length > 0;
  $('dead-more').hidden = next === null;
  for (const [id, word] of [['dead-replay', 'Replay'], ['dead-drop', 'Drop']]) {
    $(id).disabled = chosen.size === 0;
    text($(id), chosen.size > 0 ? `${word} ${count(chosen.size)}` : word);
  }
  $('dead-note').classList.remove('warn');
  text($('dead-note'), letters.length > 0 ? `${count(letters.length)} of ${count(total)}, newest first. A replay delivers to the same subscription again.` : '');
}

function line(letter) {
  const box = h('input', { type: 'checkbox', 'aria-label': `Select dead letter ${letter.id}` });
  box.checked = chosen.has(letter.id);
  box.addEventListener('change', () => {
    if (box.checked) chosen.add(letter.id);
    else chosen.delete(letter.id);
    draw();
  });
  const row = h(
    'tr', { tabindex: '0', 'data-id': letter.id, 'aria-selected': letter.id === opened },
    h('td.check', {}, box), h('td.num', {}, letter.id), h('td.when', {}, since(letter.time_ns)),
    h('td.mono', {}, letter.subscription ?? 'none'), h('td.mono', {}, letter.topic),
    h('td.why', {}, h('span.badge.bad', {}, letter.kind), h('p', {}, letter.reason)), h('td.num', {}, letter.attempts_made),
  );
  row.addEventListener('click', (event) => { if (event.target !== box) open(letter.id); });
  return row;
}

function keys(event) {
  const row = event.target.closest('tr');
  if (!row || event.target.matches('input') || event.ctrlKey || event.metaKey) return;
  const to = { ArrowDown: 'nextElementSibling', j: 'nextElementSibling', ArrowUp: 'previousElementSibling', k: 'previousElementSibling' }[event.key];
  if (to) row[to]?.focus();
  else if (event.key === 'Enter') open(Number(row.dataset.id));
  else if (event.key === ' ') row.querySelector('input').click();
  else return;
  event.preventDefault();
}

async function open(id) {
  try {
    const letter = await get(`v1/dead/${part(id)}`);
    opened = id;
    draw();
    const again = h('button.small.primary', { type: 'button', onclick: () => change('replay', [id]) }, 'Replay');
    show(`Dead letter ${id}`, [
      factList([['Subscription', letter.subscription], ['Why', letter.reason], ['Given up', since(letter.time_ns)]]),
      h('div', {}, again),
      h('section', {}, h('h3', {}, h('span', {}, 'Attempts'), h('span', {}, String(letter.attempts.length))), letter.attempts.map(attempt)),
      ...eventParts(letter.event),
    ], JSON.stringify(letter, null, 2));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    toast(error.message, true);
  }
}

function attempt(attempt) {
  return h(
    'div.attempt', {},
    h('header', {}, h('span.badge.bad', {}, attempt.kind), `attempt ${attempt.attempt}, ${since(attempt.time_ns)}`),
    h('p', {}, attempt.reason), traceParts(attempt),
  );
}

// Replays or drops what is chosen.
async function change(verb, ids = [...chosen]) {
  try {
    const { done, failed } = await post(`v1/dead/${verb}`, { ids });
    const word = verb === 'replay' ? 'delivered again' : 'dropped';
    if (done.length > 0) toast(`${count(done.length)} ${word}.`);
    if (failed.length > 0) toast(`${count(failed.length)} not: ${failed[0].reason}`, true);
    done.forEach((id) => chosen.delete(id));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    toast(error.message, true);
  }
  await reload();
}
