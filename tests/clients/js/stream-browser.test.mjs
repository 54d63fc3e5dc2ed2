// EventSource and WebSocket of a real browser, on a page of the daemon's own origin.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch } from './browser.mjs';
import { Daemon, until } from './daemon.mjs';

let browser;
let daemon;
let page;

before(async () => {
  daemon = await Daemon.start();
  browser = await launch();
  page = await browser.newPage();
  await page.goto(`${daemon.url}/healthz`);
});
after(async () => {
  await browser?.close();
  await daemon?.close();
});

test('an EventSource comes back after a restart and has lost nothing', async () => {
  await page.evaluate(() => {
    window.seen = [];
    window.source = new EventSource('/v1/stream?filter=news.>');
    window.source.onmessage = ({ data, lastEventId }) => {
      const event = JSON.parse(data);
      window.seen.push([event.data, Number(lastEventId) === event.seq]);
    };
    window.source.addEventListener('missed', ({ data }) => window.seen.push([data, false]));
    return new Promise((resolve) => { window.source.onopen = resolve; });
  });
  await daemon.publish('news.a', 1);
  await daemon.publish('other', 0);
  await until('the first', () => page.evaluate(() => window.seen.length === 1));
  await daemon.stop();
  await daemon.run();
  for (let n = 2; n <= 50; n += 1) await daemon.publish('news.a', n);
  await until('the rest', () => page.evaluate(() => window.seen.length >= 50));
  const seen = await page.evaluate(() => { window.source.close(); return window.seen; });
  assert.deepEqual(seen, Array.from({ length: 50 }, (_, n) => [n + 1, true]));
});

test('a WebSocket subscribes and publishes', async () => {
  const frames = await page.evaluate(() => new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${location.host}/v1/ws`, 'plugbus.v1');
    const frames = [];
    const send = (frame) => socket.send(JSON.stringify(frame));
    socket.onerror = reject;
    socket.onopen = () => send({ op: 'subscribe', filters: ['chat.>'], id: 1 });
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      frames.push(frame);
      if (frame.op === 'ack' && frame.id === 1) send({ op: 'publish', topic: 'chat.said', data: { text: 'hi' }, id: 2 });
      if (frames.length === 3) { socket.close(); resolve(frames); }
    };
  }));
  const event = frames.find(({ op }) => op === 'event').event;
  assert.deepEqual([event.type, event.data], ['chat.said', { text: 'hi' }]);
  assert.equal(frames.find(({ id }) => id === 2).seq, event.seq);
});
