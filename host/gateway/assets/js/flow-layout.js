// Where everything stands in the picture. Pure: traffic and subscriptions in, boxes and lines out.

import { matches } from './topics.js';

// Boxes in one column; what is over that is one box "others".
export const NODES_MAX = 18;
export const SIZE = { width: 1120, row: 38, box: 28, top: 40, columns: [0, 400, 800], boxWidth: 320 };

// `pairs`: { source, topic, count }. `subscriptions`: { name, filters, source, state }. Only topics that were seen are joined.
export function layout(pairs, subscriptions) {
  const sources = column(sums(pairs, 'source'), 'source');
  const topics = column(sums(pairs, 'topic'), 'topic');
  const edges = new Map();
  for (const pair of pairs) {
    const [from, to] = [sources.of(pair.source), topics.of(pair.topic)];
    join(edges, from, to, pair.count);
  }
  const taken = new Map();
  for (const subscription of subscriptions) {
    for (const pair of pairs) {
      if (!takes(subscription, pair)) continue;
      taken.set(subscription.name, (taken.get(subscription.name) ?? 0) + pair.count);
    }
  }
  const named = new Map(subscriptions.map((subscription) => [subscription.name, subscription]));
  const idle = subscriptions.filter(({ name }) => !taken.has(name)).map(({ name }) => [name, 0]);
  const receivers = column(new Map([...taken, ...idle]), 'subscription');
  for (const subscription of subscriptions) {
    const to = receivers.of(subscription.name);
    for (const pair of pairs) {
      if (takes(subscription, pair)) join(edges, topics.of(pair.topic), to, pair.count);
    }
  }
  const columns = [sources, topics, receivers];
  const order = untangle(columns.map(({ nodes }) => nodes), [...edges.values()]);
  order.forEach((nodes, at) => nodes.forEach((node, n) => {
    Object.assign(node, { x: SIZE.columns[at], y: SIZE.top + n * SIZE.row, state: named.get(node.name)?.state });
  }));
  const rows = Math.max(...order.map((nodes) => nodes.length), 1);
  return { nodes: order.flat(), edges: [...edges.values()], height: SIZE.top + rows * SIZE.row + 12 };
}

// Whether a subscription gets what such a source publishes on such a topic.
export function takes({ filters, source }, pair) {
  const from = !source || (source.endsWith('*') ? pair.source.startsWith(source.slice(0, -1)) : pair.source === source);
  return from && filters.some((filter) => matches(filter, pair.topic));
}

function sums(pairs, by) {
  const found = new Map();
  for (const pair of pairs) found.set(pair[by], (found.get(pair[by]) ?? 0) + pair.count);
  return found;
}

// The busiest as boxes of their own, the rest as one.
function column(counts, kind) {
  const sorted = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const own = sorted.length > NODES_MAX ? sorted.slice(0, NODES_MAX - 1) : sorted;
  const nodes = own.map(([name, count]) => ({ key: `${kind}:${name}`, kind, name, count }));
  const rest = sorted.slice(own.length);
  const others = {
    key: `${kind}:`, kind, name: `${rest.length} others`, others: true, count: rest.reduce((sum, [, count]) => sum + count, 0),
  };
  if (rest.length > 0) nodes.push(others);
  const known = new Map(nodes.filter((node) => !node.others).map((node) => [node.name, node]));
  return { nodes, of: (name) => known.get(name) ?? others };
}

function join(edges, from, to, count) {
  const key = `${from.key}\n${to.key}`;
  const known = edges.get(key);
  if (known) known.count += count;
  else edges.set(key, { key, from, to, count });
}

// Orders the columns so that lines cross less: each box goes to the middle of what it is joined to, a few times.
function untangle(columns, edges) {
  const place = new Map();
  const note = () => columns.forEach((nodes) => nodes.forEach((node, n) => place.set(node.key, n)));
  note();
  for (let round = 0; round < 4; round += 1) {
    for (const at of [1, 2, 1, 0]) {
      const middle = (node) => {
        const joined = edges.filter(({ from, to }) => from === node || to === node);
        const weight = joined.reduce((sum, { count }) => sum + count, 0);
        if (weight === 0) return Infinity;
        return joined.reduce((sum, { from, to, count }) => sum + place.get((from === node ? to : from).key) * count, 0) / weight;
      };
      const middles = new Map(columns[at].map((node) => [node, middle(node)]));
      columns[at].sort((a, b) => middles.get(a) - middles.get(b) || (a.key < b.key ? -1 : 1));
      note();
    }
  }
  return columns;
}

// How broad a line is for so many events: it grows with the logarithm, so that 10 and 1,000,000 can both be seen.
export const breadth = (count) => 1.2 + 1.4 * Math.log10(1 + count);

export function curve({ from, to }) {
  const [x1, y1] = [from.x + SIZE.boxWidth, from.y + SIZE.box / 2];
  const [x2, y2] = [to.x, to.y + SIZE.box / 2];
  const bend = (x2 - x1) / 2;
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}
