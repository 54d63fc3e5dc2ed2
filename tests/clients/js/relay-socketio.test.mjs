// relay-socketio against a real Socket.IO server of npm.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { afterEach, test } from 'node:test';

import { Server } from 'socket.io';

import { Daemon, until } from './daemon.mjs';

const open = [];
afterEach(async () => {
  while (open.length > 0) await open.pop()();
});

// A server on a free port, or on the one of a server before.
async function serve(options = {}, port = 0) {
  const http = createServer();
  const io = new Server(http, options);
  await new Promise((resolve) => http.listen(port, '127.0.0.1', resolve));
  const close = () => new Promise((resolve) => io.close(resolve));
  open.push(close);
  return { io, close, origin: `http://127.0.0.1:${http.address().port}`, port: http.address().port };
}

async function relay(origin, config = '', rest = '') {
  const manifest = `filters = ["a.>"]\n[config]\nurl = "${origin}"\n${config}\n[grants]\nhttp = ["${origin}"]\n${rest}\n`;
  const daemon = await Daemon.start({ plugins: { 'relay-socketio': { guest: 'plugins/relay-socketio', manifest } } });
  open.push(() => daemon.close());
  return daemon;
}

const stats = async (daemon) => {
  const { plugins } = await (await fetch(`${daemon.url}/v1/plugins`)).json();
  return plugins.find(({ name }) => name === 'relay-socketio').counters;
};

test('events come under their topics, in order, over one session, and count when they are acknowledged', async () => {
  const { io, origin } = await serve();
  const came = [];
  let sessions = 0;
  io.on('connection', (socket) => {
    sessions += 1;
    socket.onAny((event, data, ack) => {
      came.push([event, data]);
      ack();
    });
  });
  const daemon = await relay(origin);
  for (let n = 0; n < 20; n += 1) await daemon.publish(`a.${n}`, { n, text: 'é "' });
  await until('all are acknowledged', async () => (await stats(daemon)).acked === 20);
  assert.deepEqual(came.map(([event, data]) => [event, data.type, data.data.n]), came.map((_, n) => [`a.${n}`, `a.${n}`, n]));
  assert.deepEqual([came.length, came[0][1].data.text, sessions, (await stats(daemon)).attempts], [20, 'é "', 1, 20]);
});

test('namespace, auth, one event name, and data as what it is', async () => {
  const { io, origin } = await serve({ path: '/live/' });
  const came = [];
  io.of('/in').use((socket, next) => next(socket.handshake.auth.token === 't' ? undefined : new Error('not you')));
  io.of('/in').on('connection', (socket) => socket.on('event', (data, ack) => came.push(data) && ack('ok')));
  const config = 'path = "/live/"\nnamespace = "/in"\nevent = "event"\nformat = "data"\n[config.auth]\ntoken = "t"';
  const daemon = await relay(origin, config);
  await daemon.publish('a.json', { n: 1 });
  await daemon.publish('a.text', 'plain', { 'content-type': 'text/plain' });
  await daemon.publish('a.bytes', new Uint8Array([0xff, 0, 1]), { 'content-type': 'application/octet-stream' });
  await until('all have come', () => came.length === 3);
  assert.deepEqual(came, [{ n: 1 }, 'plain', Buffer.from([0xff, 0, 1])]);
  const wrong = await relay(origin, config.replace('"t"', '"x"'), '[retry]\nattempts = 1');
  await wrong.publish('a.b', 1);
  const dead = await until('it is given up', async () => {
    const { dead_letters: letters } = await (await fetch(`${wrong.url}/v1/dead`)).json();
    return letters[0];
  });
  assert.match(JSON.stringify(dead), /the namespace refuses us: not you/);
});

test('a session that the server has ended is begun anew, and a server that comes back gets what waited', async () => {
  // So short that it has ended before the second event.
  const first = await serve({ pingInterval: 100, pingTimeout: 100 });
  const came = [];
  let left = 0;
  const listen = (io) =>
    io.on('connection', (socket) => {
      socket.on('disconnect', () => (left += 1));
      socket.onAny((_, { data }, ack) => came.push(data) && ack());
    });
  listen(first.io);
  const daemon = await relay(first.origin, '', '[retry]\nattempts = 100\nbackoff_max_ms = 100');
  await daemon.publish('a.b', 1);
  await until('the server has ended the session', () => left === 1);
  await daemon.publish('a.b', 2);
  await until('the second has come', () => came.length === 2);
  assert.equal((await stats(daemon)).attempts, 2, 'without a retry');
  await first.close();
  await daemon.publish('a.b', 3);
  await until('it was tried in vain', async () => (await stats(daemon)).retried > 0);
  listen((await serve({}, first.port)).io);
  await until('the third has come', () => came.length === 3);
  assert.deepEqual(came, [1, 2, 3]);
});

test('a listener that does not acknowledge, and one that says no', async () => {
  const { io, origin } = await serve();
  let deaf = 0;
  io.on('connection', (socket) => {
    socket.on('a.deaf', () => (deaf += 1));
    socket.on('a.no', (_, ack) => ack({ error: 'wrong shape' }));
    socket.on('a.later', (_, ack) => ack({ ok: false, status: 503 }));
  });
  const daemon = await relay(origin, 'timeout_ms = 300', '[retry]\nattempts = 2\nbackoff_min_ms = 1');
  for (const topic of ['a.deaf', 'a.no', 'a.later']) await daemon.publish(topic, {});
  await until('all are given up', async () => (await stats(daemon)).dead === 3);
  const { attempts, rejected } = await stats(daemon);
  assert.deepEqual([deaf, attempts, rejected], [2, 5, 1]);
  const patient = await relay(origin, 'ack = false');
  await patient.publish('a.deaf', {});
  await until('it is handled', async () => (await stats(patient)).acked === 1);
});
