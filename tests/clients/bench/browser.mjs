// How late a page in Chromium sees an event: from the moment that the bus accepted it (its `time`) until a page has it, by each way that a
// page can read. Beside the page a client of the same way in this process. The clock is the same for all.
//
//   node browser.mjs URL EVENTS EVERY_MS
//
// Prints one line of JSON for each way: { way, page: [ms, …], node: [ms, …] }.

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { EventSource } from 'eventsource';
import { io } from 'socket.io-client';
import WebSocket from 'ws';

import { launch } from '../js/browser.mjs';

const [url, events, every] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
// Of these, the first that do not count.
const WARM_UP = Math.ceil(events / 10);
// Longest wait for the last of them.
const PATIENCE_MS = 60_000;

const socketIoBundle = readFileSync(new URL('../node_modules/socket.io-client/dist/socket.io.min.js', import.meta.url), 'utf8');

// Milliseconds since an event was accepted. Its time has more digits than `Date.parse` takes. Runs in the page too.
function age({ time }) {
  const [, seconds, fraction = '0'] = /^([^.Z]*)(?:\.(\d+))?Z$/.exec(time);
  return performance.timeOrigin + performance.now() - Date.parse(`${seconds}Z`) - Number(`0.${fraction}`) * 1000;
}

// Each subscribes to `bench.browser` and calls `seen` with every event; done once it is subscribed. They run in the page and here alike,
// with what is found under `tools`.
const ways = {
  'server-sent events': (url, seen, { EventSource }) => new Promise((resolve) => {
    const source = new EventSource(`${url}/v1/stream?filter=bench.browser`);
    source.onmessage = ({ data }) => seen(JSON.parse(data));
    source.onopen = () => resolve(() => source.close());
  }),
  WebSocket: (url, seen, { WebSocket }) => new Promise((resolve) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/ws`, 'plugbus.v1');
    socket.onopen = () => socket.send(JSON.stringify({ op: 'subscribe', filters: ['bench.browser'], id: 1 }));
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.op === 'ack') resolve(() => socket.close());
      if (frame.op === 'event') seen(frame.event);
    };
  }),
  'Socket.IO': async (url, seen, { io }) => {
    const socket = io(url, { transports: ['websocket'] });
    socket.on('event', seen);
    await new Promise((resolve) => { socket.on('connect', resolve); });
    await socket.emitWithAck('subscribe', ['bench.browser']);
    return () => socket.disconnect();
  },
};

async function publish(n) {
  const response = await fetch(`${url}/v1/topics/bench.browser`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ n, text: 'x'.repeat(200) }),
  });
  if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
  await response.arrayBuffer();
}

async function measure(browser, way) {
  const page = await browser.newPage();
  await page.goto(`${url}/healthz`);
  await page.evaluate(socketIoBundle);
  await page.evaluate(([source, ageSource, url]) => {
    const [subscribe, age] = [(0, eval)(`(${source})`), (0, eval)(`(${ageSource})`)];
    window.ages = [];
    return subscribe(url, (event) => window.ages.push(age(event)), window).then(() => undefined);
  }, [ways[way].toString(), age.toString(), url]);
  const node = [];
  const close = await ways[way](url, (event) => node.push(age(event)), { EventSource, WebSocket, io });
  for (let n = 0; n < events + WARM_UP; n += 1) {
    await Promise.all([publish(n), sleep(every)]);
  }
  await page.waitForFunction((all) => window.ages.length >= all, events + WARM_UP, { timeout: PATIENCE_MS });
  const seen = await page.evaluate(() => window.ages);
  if (node.length !== seen.length) throw new Error(`${way}: the page has ${seen.length} events, this process ${node.length}`);
  close();
  await page.close();
  return { way, page: seen.slice(WARM_UP), node: node.slice(WARM_UP) };
}

const browser = await launch();
try {
  for (const way of Object.keys(ways)) console.log(JSON.stringify(await measure(browser, way)));
} finally {
  await browser.close();
}
