// The parts of the dashboard that compute, without a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { duration, middle, rate, short } from '../../../host/gateway/assets/js/format.js';
import { NODES_MAX, layout, takes } from '../../../host/gateway/assets/js/flow-layout.js';
import { parse } from '../../../host/gateway/assets/js/query.js';
import { Rates } from '../../../host/gateway/assets/js/rates.js';
import { Sample, Store, Tally } from '../../../host/gateway/assets/js/sample.js';
import { lines } from '../../../host/gateway/assets/js/spark.js';
import { matches } from '../../../host/gateway/assets/js/topics.js';

test('filters match by the rules of the bus', () => {
  for (const [filter, topic, wanted] of [
    ['a', 'a', true], ['a', 'b', false], ['a.*', 'a.b', true], ['a.*', 'a', false], ['a.*', 'a.b.c', false],
    ['*.b', 'a.b', true], ['a.>', 'a.b.c', true], ['a.>', 'a', false], ['>', 'a.b', true], ['>', 'plugbus.x', false],
    ['*.x', 'plugbus.x', false], ['plugbus.>', 'plugbus.x.y', true], ['a.b', 'a', false], ['a', 'a.b', false],
  ]) assert.equal(matches(filter, topic), wanted, `${filter} ${topic}`);
});

test('the words of the filter box all have to hold', () => {
  const event = { type: 'orders.created', source: 'cron/nightly', subject: '42', id: 'x1', data: { Note: 'Übung' } };
  const holds = (text) => parse(text)?.(event, () => JSON.stringify(event).toLowerCase()) ?? null;
  assert.equal(holds(''), null);
  assert.equal(holds('  - '), null);
  for (const [text, wanted] of [
    ['orders.>', true], ['orders.*', true], ['payments.>', false], ['>', true], ['created', true], ['CREATED übung', true],
    ['source:cron', true], ['source:other', false], ['subject:42 id:x', true], ['-orders.>', false], ['-payments.>', true],
    ['topic:orders.created', true], ['topic:orders', false], ['orders.> missing', false], ['-missing', true],
    ['http://x', false],
  ]) assert.equal(holds(text), wanted, text);
});

test('a flood is sampled fairly and in order, and what is left out is known', () => {
  const sample = new Sample(10);
  const chosen = new Array(4).fill(0);
  for (let round = 0; round < 200; round += 1) {
    for (let n = 0; n < 400; n += 1) {
      const at = sample.place();
      if (at >= 0) sample.kept[at] = n;
    }
    const { rows, seen } = sample.take((n) => n);
    assert.equal(seen, 400);
    assert.equal(rows.length, 10);
    assert.deepEqual(rows, [...rows].sort((a, b) => a - b));
    for (const n of rows) chosen[Math.floor(n / 100)] += 1;
  }
  // 500 for each quarter, give or take far more than chance would.
  for (const quarter of chosen) assert.ok(quarter > 350 && quarter < 650, String(chosen));
});

test('what is kept for later is bounded in number and size, and the newest always stays', () => {
  const store = new Store(3, 10);
  for (let n = 0; n < 5; n += 1) store.put(n, 'xx');
  assert.deepEqual([...store.kept.keys()], [2, 3, 4]);
  store.put(5, 'x'.repeat(50));
  assert.deepEqual([...store.kept.keys()], [5]);
  store.put(6, 'x');
  assert.deepEqual([...store.kept.keys()], [6]);
  assert.equal(store.size, 1);
});

test('pairs over the bound are one sum', () => {
  const tally = new Tally(3);
  for (let n = 0; n < 10; n += 1) tally.add('s', `t${Math.min(n, 5)}`);
  assert.equal(tally.pairs.size, 3);
  assert.equal(tally.others, 7);
  assert.equal(tally.top(1).others, 9);
});

test('the picture joins what really flowed and folds up what is too much', () => {
  const pairs = Array.from({ length: 50 }, (_, n) => ({ source: `s${n % 3}`, topic: `a.t${n}`, count: n + 1 }));
  const picture = layout(pairs, [
    { name: 'plugin/all', filters: ['a.>'], source: null },
    { name: 'plugin/one', filters: ['a.*'], source: 's1' },
    { name: 'plugin/idle', filters: ['b.>'], source: null },
  ]);
  const of = (kind) => picture.nodes.filter((node) => node.kind === kind);
  assert.equal(of('source').length, 3);
  assert.equal(of('topic').length, NODES_MAX);
  assert.equal(of('topic').filter(({ others }) => others)[0].name, '33 others');
  const count = (name) => of('subscription').find((node) => node.name === name).count;
  assert.equal(count('plugin/all'), (50 * 51) / 2);
  assert.equal(count('plugin/idle'), 0);
  assert.equal(count('plugin/one'), pairs.filter(({ source }) => source === 's1').reduce((sum, pair) => sum + pair.count, 0));
  assert.ok(!picture.edges.some(({ to }) => to.name === 'plugin/idle'));
  const places = picture.nodes.map(({ x, y }) => `${x} ${y}`);
  assert.equal(new Set(places).size, places.length);
  assert.ok(takes({ filters: ['>'], source: 'plugin/*' }, { source: 'plugin/x', topic: 'a' }));
});

test('rates come of counters that rise, and a restart is no fall', () => {
  const rates = new Rates();
  assert.equal(rates.step({ a: 5 }, 1000), null);
  assert.deepEqual(rates.step({ a: 25 }, 3000), { change: { a: 20 }, seconds: 2 });
  assert.equal(rates.step({ a: 3 }, 4000), null);
  assert.deepEqual(rates.step({ a: 4 }, 5000), { change: { a: 1 }, seconds: 1 });
});

test('numbers are for people', () => {
  assert.deepEqual([0, 0.44, 9.96, 12_345].map(rate), ['0', '0.4', '10', '12,345']);
  assert.deepEqual([999, 1200, 5e9].map(short), ['999', '1.2 k', '5 G']);
  assert.deepEqual([5, 1500, 2.5e6, 3e9].map(duration), ['5 ns', '1.5 µs', '2.5 ms', '3 s']);
  assert.equal(middle('abcdefghij', 5), 'ab…ij');
  assert.equal(lines([0, 1], 60, 40).stroke, 'M58 39.0L59 2.0');
});
