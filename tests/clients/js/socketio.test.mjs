// npm socket.io-client, unmodified, over each of its transports.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { io } from 'socket.io-client';

import { Daemon, until } from './daemon.mjs';

const TRANSPORTS = [['websocket'], ['polling'], ['polling', 'websocket']];

// Those of a test: one that fails must not leave them trying to connect for ever.
const clients = [];
afterEach(() => clients.splice(0).forEach((client) => client.disconnect()));

function connect(daemon, options = {}) {
  const client = io(daemon.url, { reconnectionDelay: 50, reconnectionDelayMax: 200, forceNew: true, ...options });
  clients.push(client);
  return client;
}

function connected(client) {
  return new Promise((resolve, reject) => {
    client.once('connect', resolve);
    client.once('connect_error', reject);
  });
}

describe('a daemon with a journal', () => {
  let daemon;
  before(async () => { daemon = await Daemon.start(); });
  after(() => daemon.close());

  for (const transports of TRANSPORTS) {
    test(`subscribes, publishes and receives by ${transports.join(' then ')}`, async () => {
      const client = connect(daemon, { transports });
      const under = { topic: [], event: [] };
      const topic = `orders.${transports.join('-')}`;
      client.on(topic, (event) => under.topic.push(event));
      client.on('event', (event) => under.event.push(event));
      // Before it hears that it is connected: the client keeps it until then, and it is not lost.
      const subscribed = client.emitWithAck('subscribe', [topic, 'other.>']);
      assert.deepEqual((await subscribed).filters, [topic, 'other.>']);
      for (let n = 0; n < 300; n += 1) {
        const answer = await client.emitWithAck('publish', { topic, data: { n }, subject: 'a' });
        assert.equal(answer.ok, true);
      }
      await client.emitWithAck('publish', 'nobody.asked', 1);
      await until('all events', () => under.event.length === 300 && under.topic.length === 300);
      assert.deepEqual(under.event.map(({ data }) => data.n), Array.from({ length: 300 }, (_, n) => n));
      assert.deepEqual(under.topic, under.event);
      const [first] = under.event;
      assert.equal(first.type, topic);
      assert.equal(first.subject, 'a');
      assert.deepEqual((await client.emitWithAck('unsubscribe', topic)).filters, ['other.>']);
      await client.emitWithAck('publish', topic, 'gone');
      await client.emitWithAck('publish', 'other.x', 'there');
      await until('the other event', () => under.event.length === 301);
      assert.equal(under.event.at(-1).data, 'there');
      client.disconnect();
    });
  }

  test('a wrong request is answered and the connection goes on', async () => {
    const client = connect(daemon);
    for (const [request, args, status] of [
      ['subscribe', [['a..b']], 400], ['subscribe', [7], 400], ['subscribe', [Array(65).fill('a')], 400],
      ['publish', [{ topic: 'plugbus.x' }], 403], ['publish', [{ data: 1 }], 400],
      ['publish', [{ topic: 'a', data: Buffer.from([1]) }], 400], ['unsubscribe', [{ filters: 'a', from: 1 }], 400],
    ]) {
      const answer = await client.emitWithAck(request, ...args);
      assert.equal(answer.ok, false, `${request} ${JSON.stringify(args)}`);
      assert.equal(answer.status, status, answer.detail);
    }
    assert.equal((await client.emitWithAck('publish', 'a', 1)).ok, true);
    client.disconnect();
  });

  test('a client that comes back after a restart has lost nothing', async () => {
    const client = connect(daemon);
    const seen = [];
    let last;
    let subscribed = 0;
    client.on('connect', async () => {
      await client.emitWithAck('subscribe', { filters: ['again.>'], ...(last && { from: last + 1 }) });
      subscribed += 1;
    });
    client.on('event', (event) => { seen.push(event.data); last = event.seq; });
    client.on('missed', (missed) => assert.fail(JSON.stringify(missed)));
    // Who is not subscribed yet, and names no position, sees only what comes later.
    await until('it is subscribed', () => subscribed === 1);
    await daemon.publish('again.a', 1);
    await until('the first', () => seen.length === 1);
    await daemon.stop();
    await daemon.run();
    // While the client is away, or already back: both must do.
    for (let n = 2; n <= 50; n += 1) await daemon.publish('again.a', n);
    await until('the rest', () => seen.length >= 50);
    assert.deepEqual(seen, Array.from({ length: 50 }, (_, n) => n + 1));
    client.disconnect();
  });

  test('many clients in many rooms see their events and no others', async () => {
    const clients = Array.from({ length: 50 }, () => connect(daemon, { transports: ['websocket'] }));
    const counts = clients.map(() => 0);
    await Promise.all(clients.map(async (client, n) => {
      client.on('event', (event) => { assert.equal(event.type, `room.${n % 5}`); counts[n] += 1; });
      await client.emitWithAck('subscribe', `room.${n % 5}`);
    }));
    for (let n = 0; n < 100; n += 1) await daemon.publish(`room.${n % 5}`, n);
    await until('all of them', () => counts.every((count) => count === 20));
    clients.forEach((client) => client.disconnect());
  });
});

test('without a journal a client comes back to the history', async () => {
  const daemon = await Daemon.start({ args: ['--journal-enabled', 'false'] });
  for (let n = 1; n <= 5; n += 1) await daemon.publish('a', n);
  const client = connect(daemon);
  const seen = [];
  client.on('event', (event) => seen.push(event.data));
  await client.emitWithAck('subscribe', ['a'], { from: 3 });
  await daemon.publish('a', 6);
  await until('the history', () => seen.length === 4);
  assert.deepEqual(seen, [3, 4, 5, 6]);
  client.disconnect();
  await daemon.close();
});

test('a token comes in the connect packet, and its scopes hold', async () => {
  const daemon = new Daemon([], {});
  const file = join(daemon.folder, 'tokens');
  const token = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG';
  writeFileSync(file, `ci ${token} subscribe:build.> publish:build.done\n`);
  chmodSync(file, 0o600);
  daemon.args = ['--http-tokens', file];
  await daemon.run();
  for (const auth of [{}, { token: 'wrong-wrong-wrong-wrong-wrong-wrong-wrong' }]) {
    const stranger = connect(daemon, { auth, reconnection: false });
    const error = await connected(stranger).then(() => null, (refused) => refused);
    assert.match(error?.message ?? '', /token/);
    stranger.disconnect();
  }
  const client = connect(daemon, { auth: { token } });
  assert.equal((await client.emitWithAck('subscribe', 'build.*')).ok, true);
  assert.equal((await client.emitWithAck('subscribe', 'deploy.*')).status, 403);
  assert.equal((await client.emitWithAck('publish', 'build.done', 1)).ok, true);
  assert.equal((await client.emitWithAck('publish', 'deploy.done', 1)).status, 403);
  client.disconnect();
  await daemon.close();
});

test('a client of the Python tools gets every event as claude_event, unasked', async () => {
  const daemon = await Daemon.start({ args: ['--socketio-compat', 'claude_event'] });
  const client = connect(daemon);
  const seen = [];
  const others = [];
  client.on('claude_event', (event) => seen.push(event));
  client.on('event', (event) => others.push(event));
  await connected(client);
  await until('a first event', async () => {
    await daemon.publish('session.started', { user: 'ada' });
    return seen.length > 0;
  });
  const { timestamp, ...rest } = seen[0];
  assert.deepEqual(rest, {
    event: 'claude_event', type: 'session', subtype: 'started', data: { user: 'ada' }, source: rest.source,
  });
  assert.ok(!Number.isNaN(Date.parse(timestamp)));
  assert.deepEqual(others, []);
  client.disconnect();
  await daemon.close();
});

test('the README\'s JavaScript does what it says', async () => {
  const daemon = await Daemon.start();
  const printed = await runSnippet(daemon);
  assert.match(printed, /created \{ n: 1 \}/);
  assert.match(printed, /ok: true/);
  await daemon.close();
});

// Runs the snippet that imports socket.io-client with the daemon's address in it, until it has printed two things.
async function runSnippet(daemon) {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const snippets = readme.split('```js\n').slice(1).map((part) => part.split('```')[0]);
  const snippet = snippets.find((code) => code.includes('socket.io-client')).replaceAll('http://127.0.0.1:7117', daemon.url);
  const child = spawn(process.execPath, ['--input-type=module', '-e', snippet], {
    cwd: fileURLToPath(new URL('..', import.meta.url)), stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.on('data', (text) => { printed += text; });
  try {
    await until('the snippet has printed', () => printed.includes('created') && printed.includes('ok: true'));
  } finally {
    child.kill();
  }
  return printed;
}
