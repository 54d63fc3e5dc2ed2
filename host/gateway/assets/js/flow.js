// Who publishes what to whom, as a picture.

import { $, attr, h, s, text } from './dom.js';
import { count, middle, short } from './format.js';
import { SIZE, breadth, curve, layout, takes } from './flow-layout.js';

const NAME_CHARS = 32;
const TABLE_ROWS_MAX = 200;
const STATES = { paused: 'warn', probing: 'warn', suspended: 'bad', rejected: 'bad' };

let pairs = [];
let others = 0;
let subscriptions = [];
let watchers = 0;
let drawn = '';
let picked = null;

export function updateTraffic(picture) {
  pairs = picture.pairs;
  others = picture.others;
  draw();
}

// `plugins` say what a subscription alone does not: whose events it takes, and how it is.
export function updateSubscriptions(all, plugins) {
  const known = new Map(plugins.map((plugin) => [`plugin/${plugin.name}`, plugin]));
  const looking = ({ kind }) => kind === 'observer' || kind === 'watcher';
  watchers = all.filter(looking).length;
  subscriptions = all.filter((one) => !looking(one)).map(({ name, filters }) => ({
    name, filters, source: known.get(name)?.source ?? null, state: known.get(name)?.state,
  }));
  draw();
}

export function draw() {
  if ($('view-flow').hidden) return;
  const picture = layout(pairs, subscriptions);
  const empty = pairs.length === 0;
  $('flow-empty').hidden = !empty;
  attr($('flow'), 'hidden', empty ? '' : null);
  const rest = others > 0 ? ` ${count(others)} more went between pairs that are not drawn.` : '';
  text($('flow-note'), empty ? '' : `Drawn from ${count(pairs.reduce((sum, pair) => sum + pair.count, 0))} events since this page was opened.${rest} ${watchers} watching.`);
  table();
  // Where every box stands, and roughly how much went: small changes are painted, the rest is drawn anew.
  const shape = JSON.stringify([picture.nodes.map(({ key, x, y, state }) => [key, x, y, state]), picture.edges.map(({ key }) => key)]);
  if (shape === drawn) return repaint(picture);
  drawn = shape;
  build(picture);
}

function build({ nodes, edges, height }) {
  const svg = $('flow');
  const focused = document.activeElement?.closest?.('.node')?.dataset.key;
  attr(svg, 'viewBox', `-16 0 ${SIZE.width + 32} ${height}`);
  const heads = ['Published by', 'On', 'Delivered to'].map((label, n) => s('text.head', { x: SIZE.columns[n], y: 22 }, label));
  const lines = edges.map((edge) => {
    const line = s('path.edge', { d: curve(edge), 'data-key': edge.key }, s('title'));
    line.edge = edge;
    return line;
  });
  const boxes = nodes.map((node) => {
    const label = `${node.kind} ${node.name}, ${count(node.count)} events`;
    const box = s(
      `g.node${node.state && STATES[node.state] ? `.${STATES[node.state]}` : ''}`,
      { transform: `translate(${node.x} ${node.y})`, tabindex: '0', role: 'button', 'aria-label': label, 'data-key': node.key },
      s('rect', { width: SIZE.boxWidth, height: SIZE.box, rx: 7 }),
      s('text', { x: 11, y: SIZE.box / 2 + 1 }, middle(node.name, NAME_CHARS)),
      s('text.sub', { x: SIZE.boxWidth - 11, y: SIZE.box / 2 + 1 }), s('title', {}, node.name),
    );
    for (const enter of ['pointerenter', 'focus']) box.addEventListener(enter, () => pick(node.key));
    for (const leave of ['pointerleave', 'blur']) box.addEventListener(leave, () => pick(null));
    return box;
  });
  svg.replaceChildren(...heads, ...lines, ...boxes);
  repaint({ nodes, edges });
  boxes.find((box) => box.dataset.key === focused)?.focus({ preventScroll: true });
  pick(picked);
}

function repaint({ nodes, edges }) {
  const svg = $('flow');
  const counts = new Map([...nodes, ...edges].map((one) => [one.key, one.count]));
  for (const line of svg.querySelectorAll('.edge')) {
    const n = counts.get(line.dataset.key) ?? 0;
    attr(line, 'stroke-width', breadth(n).toFixed(1));
    text(line.firstElementChild, `${count(n)} events`);
  }
  for (const box of svg.querySelectorAll('.node')) {
    const n = counts.get(box.dataset.key) ?? 0;
    text(box.querySelector('.sub'), n > 0 ? short(n) : 'idle');
  }
}

// Shows what is joined to one box, over all three columns, and dims the rest.
function pick(key) {
  picked = key;
  const svg = $('flow');
  svg.classList.toggle('picking', key !== null);
  if (key === null) return;
  const lines = [...svg.querySelectorAll('.edge')];
  const on = new Set([key]);
  const follow = (from, to) => {
    const reached = new Set([key]);
    for (let step = 0; step < 2; step += 1) {
      for (const { edge } of lines) if (reached.has(edge[from].key)) reached.add(edge[to].key);
    }
    reached.forEach((one) => on.add(one));
  };
  follow('from', 'to');
  follow('to', 'from');
  for (const line of lines) line.classList.toggle('on', on.has(line.edge.from.key) && on.has(line.edge.to.key));
  for (const box of svg.querySelectorAll('.node')) box.classList.toggle('on', on.has(box.dataset.key));
}

function table() {
  if (!$('flow-table').closest('details').open) return;
  const rows = pairs.slice(0, TABLE_ROWS_MAX).map((pair) => {
    const to = subscriptions.filter((one) => takes(one, pair)).map(({ name }) => name).join(', ') || 'nobody';
    return h('tr', {}, h('td.mono', {}, pair.source), h('td.mono', {}, pair.topic), h('td.mono', {}, to), h('td.num', {}, count(pair.count)));
  });
  $('flow-table').tBodies[0].replaceChildren(...rows);
}

export function start() {
  $('flow-table').closest('details').addEventListener('toggle', table);
}
