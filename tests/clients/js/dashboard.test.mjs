// The dashboard in a real browser, on a real daemon with real plugins.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { complaints, launch } from './browser.mjs';
import { Daemon, PATIENCE_MS, until } from './daemon.mjs';

const TEXT = { 'content-type': 'text/plain' };
const ONE_ATTEMPT = '[retry]\nattempts = 1\n';
const SHIPPED = 'publish = ["stats.topics"]\n[grants]\nkv = true\n[config]\nevery_events = 100000\n';
// Screenshots go there, for whoever wants to look at them.
const SHOTS = process.env.PLUGBUS_SHOTS;

let browser;
let daemon;

before(async () => {
  browser = await launch();
  daemon = await Daemon.start({
    plugins: {
      'count-topics': { guest: 'plugins/count-topics', manifest: SHIPPED },
      picky: { guest: 'fixtures/trap-on-poison', manifest: `filters = ["in.>"]\n${ONE_ATTEMPT}` },
    },
  });
});

after(async () => {
  await browser?.close();
  await daemon?.close();
});

// Opens a page that must not complain and must not ask anything.
async function open(path = '/', options = {}, from = daemon) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.said = complaints(page);
  page.on('dialog', (dialog) => {
    page.said.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.goto(`${from.url}${path}`);
  return page;
}

async function live(path, options, from) {
  const page = await open(path, options, from);
  await page.locator('#link[data-state="live"]').waitFor();
  return page;
}

async function close(page) {
  assert.deepEqual(page.said, []);
  await page.context().close();
}

async function shot(page, name) {
  if (!SHOTS) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`) });
}

const rows = (page) => page.locator('#list .row:not([hidden])');
const row = (page, text) => rows(page).filter({ hasText: text });

test('events appear as they happen, and are shown whole', async () => {
  const page = await live('/');
  await daemon.publish('orders.created', { n: 1, deep: { list: [true, null, 'text'] } }, { 'ce-subject': 'order-1' });
  await row(page, 'orders.created').first().click();
  const viewer = page.locator('#viewer');
  await viewer.getByText('order-1').waitFor();
  assert.match(await viewer.locator('pre.data').innerText(), /"deep": \{\s+"list": \[\s+true,\s+null,\s+"text"/);
  await shot(page, 'events-light');
  await page.keyboard.press('Escape');
  await viewer.waitFor({ state: 'hidden' });
  await close(page);
});

test('what happened before the page was opened is listed, and not counted', async () => {
  await daemon.publish('before.opening', { n: 1 });
  const page = await live('/');
  await row(page, 'before.opening').first().waitFor();
  assert.doesNotMatch(await page.locator('#filter-note').innerText(), /\d events since/);
  await close(page);
});

test('the filter shows what matches, by topic, attribute and word', async () => {
  const page = await live('/');
  await page.keyboard.press('/');
  await page.keyboard.type('orders.* -refund');
  await page.keyboard.press('Enter');
  await until('the filter', async () => (await page.locator('#filter-note').innerText()).includes('match'));
  for (const [topic, data] of [['orders.paid', { n: 7 }], ['orders.refund', { n: 8 }], ['other.paid', { n: 9 }]]) {
    await daemon.publish(topic, data);
  }
  await row(page, 'orders.paid').first().waitFor();
  // Each topic is new, and the host says so.
  await until('all six', async () => (await page.locator('#filter-note').innerText()) === '1 of 6 events match.');
  // The older one was there before the filter was.
  assert.deepEqual(await rows(page).locator('.topic').allInnerTexts(), ['orders.paid', 'orders.created']);
  await close(page);
});

test('the list is paused and goes on, and is walked through by keys', async () => {
  const page = await live('/');
  await page.locator('#filter').fill('paused.*');
  await until('the filter', async () => (await page.locator('#filter-note').innerText()).includes('match'));
  await page.locator('#list').focus();
  await page.keyboard.press('p');
  assert.equal(await page.locator('#pause').getAttribute('aria-pressed'), 'true');
  for (let n = 0; n < 3; n += 1) await daemon.publish('paused.now', { n });
  await until('three held back', async () => (await page.locator('#filter-note').innerText()).startsWith('Paused: 3'));
  assert.equal(await row(page, 'paused.now').count(), 0);
  await page.keyboard.press('p');
  await until('three shown', async () => (await row(page, 'paused.now').count()) === 3);
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.locator('#list .row[aria-selected="true"]').getByText('"n":1').waitFor();
  const chosen = await page.locator('#list .row[aria-selected="true"]').getAttribute('id');
  assert.equal(await page.locator('#list').getAttribute('aria-activedescendant'), chosen);
  await page.keyboard.press('Enter');
  await page.locator('#viewer pre.data').getByText('1').waitFor();
  await page.keyboard.press('2');
  await page.locator('#view-plugins').waitFor();
  await page.keyboard.press('?');
  await page.locator('#help').waitFor();
  await close(page);
});

test('a plugin is paused, resumed and reloaded, and its faults are shown with their backtraces', async () => {
  const page = await live('/#plugins', { colorScheme: 'dark' });
  const card = page.locator('[data-plugin="picky"]');
  await card.getByText('running').waitFor();
  await card.getByRole('button', { name: 'Pause' }).click();
  await card.getByText('paused', { exact: true }).waitFor();
  await daemon.publish('in.waits', 'later', TEXT);
  await until('one waits', async () => /Queue\s*1/.test(await card.innerText()));
  await card.getByRole('button', { name: 'Resume' }).click();
  await card.getByText('running').waitFor();
  await until('none waits', async () => /Queue\s*0/.test(await card.innerText()));

  await daemon.publish('in.bad', 'poison', TEXT);
  await card.getByRole('button', { name: /Last fault: trap/ }).click();
  const viewer = page.locator('#viewer');
  await viewer.getByText('poisoned by').first().waitFor();
  assert.match(await viewer.locator('[aria-label="backtrace"]').first().innerText(), /handle/);
  await shot(page, 'plugins-dark');
  await viewer.locator('#viewer-close').click();
  await card.getByRole('button', { name: 'Reload' }).click();
  await card.getByText('generation 2').waitFor();
  await close(page);
});

test('a dead letter is looked at and delivered again', async () => {
  await daemon.publish('in.dead', 'poison', TEXT);
  const page = await live('/#dead', { colorScheme: 'dark' });
  const letters = page.locator('#dead-table tbody tr');
  await letters.filter({ hasText: 'in.dead' }).first().waitFor();
  const count = await letters.count();
  await letters.filter({ hasText: 'in.dead' }).first().click();
  await page.locator('#viewer').getByText('attempt 1').waitFor();
  await shot(page, 'dead-dark');
  await page.keyboard.press('Escape');

  // A build that can do it takes over; then all are delivered again.
  daemon.plugin('picky', { guest: 'fixtures/echo', manifest: `filters = ["in.>"]\n${ONE_ATTEMPT}` });
  daemon.cli('plugins', 'rescan');
  await page.locator('#dead-all').check();
  await page.getByRole('button', { name: `Replay ${count}` }).click();
  await page.locator('#toasts').getByText(`${count} delivered again.`).waitFor();
  await page.locator('#dead-empty').waitFor();
  await until('the badge', async () => (await page.locator('#count-dead').innerText()) === '');
  const stats = JSON.parse(daemon.cli('stats', '--json'));
  assert.equal(stats.bus.dead_letters.held, 0);
  await close(page);
});

test('the picture joins who published to what and to whom', async () => {
  const page = await live('/#flow');
  for (let n = 0; n < 5; n += 1) await daemon.publish('in.flow', { n }, { 'ce-source': 'shop' });
  const node = (kind, name) => page.locator(`#flow .node[data-key="${kind}:${name}"]`);
  await node('source', 'shop').waitFor();
  await node('topic', 'in.flow').waitFor();
  await until('the numbers', async () => (await node('subscription', 'plugin/picky').locator('.sub').textContent()) === '5');
  const edges = await page.locator('#flow .edge').evaluateAll((paths) => paths.map((path) => path.dataset.key));
  assert.ok(edges.includes('source:shop\ntopic:in.flow'), edges.join());
  assert.ok(edges.includes('topic:in.flow\nsubscription:plugin/picky'), edges.join());
  await node('topic', 'in.flow').focus();
  await page.locator('#flow.picking').waitFor();
  await shot(page, 'flow-light');
  await page.getByText('The same as a table').click();
  await page.locator('#flow-table').getByText('plugin/picky').first().waitFor();
  await close(page);
});

test('whatever comes in is shown as text and runs as nothing', async () => {
  const page = await live('/');
  await page.locator('#filter').fill('odd.*');
  const markup = '<img src=x onerror="alert(1)"><script>alert(2)</script>';
  const topics = ['odd.<img/src=x/onerror=alert(3)//', 'odd."quoted\'&amp;', 'odd.\u202eright-to-left', `odd.${'ä'.repeat(100)}`];
  await daemon.publish('odd.markup', { markup }, { 'ce-source': encodeURIComponent(markup), 'ce-subject': encodeURIComponent('"><b>') });
  for (const topic of topics) await daemon.publish(topic, markup, { 'content-type': 'text/html' });
  await daemon.publish('odd.bytes', new Uint8Array([0, 255, 60, 98, 62]), { 'content-type': 'application/octet-stream' });
  await daemon.publish('odd.large', { text: 'x'.repeat((1 << 20) - 20) });
  // By its own row: the host's event about the new topic has the name in its data, and comes before it.
  await rows(page).locator('.topic').filter({ hasText: 'odd.large' }).first().waitFor();
  await page.locator('#pause').click();
  for (const topic of [...topics, 'odd.markup', 'odd.bytes', 'odd.large']) {
    await rows(page).locator('.topic').filter({ hasText: topic }).first().click();
    await until(topic, async () => (await page.locator('#viewer-title').innerText()) === topic.trim());
  }
  const shown = (await page.locator('#viewer pre.data').innerText()).length;
  assert.ok(shown > (1 << 20) - 100, `${shown} characters of a MiB are shown`);
  await row(page, 'odd.markup').first().click();
  await page.locator('#viewer').getByText('onerror').first().waitFor();
  await row(page, 'odd.bytes').first().click();
  await page.locator('#viewer').getByText('00 ff 3c 62 3e').waitFor();
  await page.locator('[data-view="flow"]').click();
  await page.locator('#flow .node').first().waitFor();
  assert.equal(await page.locator('img, main script, #list b, #viewer b, #flow img').count(), 0);
  await close(page);
});

test('ten thousand events a second do not freeze it, it says that it samples, and it counts every one', async () => {
  const quick = await Daemon.start({ args: ['--journal-enabled=false', '--http-requests-per-second-max', '0'] });
  const page = await live('/', {}, quick);
  await page.locator('#filter').fill('load.>');
  await page.keyboard.press('Enter');
  await page.locator('#filter-note').getByText(/^0 of \d+ events match/).waitFor();
  await page.evaluate(() => {
    window.longest = 0;
    let last = performance.now();
    const look = (now) => {
      window.longest = Math.max(window.longest, now - last);
      last = now;
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  const [batch, batches, everyMs] = [500, 100, 50];
  const begun = Date.now();
  for (let n = 0; n < batches; n += 1) {
    const events = Array.from({ length: batch }, (_, at) => ({
      specversion: '1.0', id: `${n}-${at}`, source: `load/${at % 7}`, type: `load.t${at % 23}`, data: { n, at, text: 'x'.repeat(200) },
    }));
    const response = await fetch(`${quick.url}/v1/events`, {
      method: 'POST', headers: { 'content-type': 'application/cloudevents-batch+json' }, body: JSON.stringify(events),
    });
    assert.ok(response.ok, `${response.status} ${await response.clone().text()}`);
    await response.arrayBuffer();
    if (n === batches / 2) await page.locator('#filter-note').getByText('Sampled').waitFor();
    const ahead = begun + (n + 1) * everyMs - Date.now();
    if (ahead > 0) await new Promise((resolve) => setTimeout(resolve, ahead));
  }
  const perSecond = (batch * batches) / ((Date.now() - begun) / 1000);
  const rate = await page.locator('#vital-rate').innerText();
  await shot(page, 'flood-light');
  const longest = await page.evaluate(() => window.longest);
  const note = page.locator('#filter-note');
  console.log(`# ${Math.round(perSecond)} events/s sent, ${rate} shown in the head, longest frame ${Math.round(longest)} ms`);
  await page.keyboard.press('3');
  await page.locator('#flow .node').first().waitFor();
  await page.keyboard.press('1');
  // What it saw and what the host says that it was too slow for is all there was.
  await until('every event is accounted for', async () => {
    const seen = Number(/([\d,]+) of [\d,]+ events match/.exec(await note.innerText())?.[1].replaceAll(',', '') ?? NaN);
    const all = seen + Number(await note.getAttribute('data-missed'));
    // One of the host's own may be among those that were missed.
    return all >= batch * batches && all <= batch * batches + 2;
  }).catch(async (error) => {
    throw new Error(`${await note.innerText()} ${await note.getAttribute('data-missed')}`, { cause: error });
  });
  console.log(`# ${await note.getAttribute('data-missed')} missed`);
  assert.ok(longest < 1000, `a frame took ${longest} ms`);
  await close(page);
  await quick.close();
});

test('a host that comes back is found again', async () => {
  const page = await live('/');
  await daemon.publish('restart.before', { n: 1 });
  await row(page, 'restart.before').first().waitFor();
  await daemon.stop();
  await page.locator('#link[data-state="lost"]').waitFor();
  await daemon.run();
  await page.locator('#link[data-state="live"]').waitFor();
  await daemon.publish('restart.after', { n: 2 });
  await row(page, 'restart.after').first().waitFor();
  // The browser says that nobody answered, and rightly so.
  page.said = page.said.filter((line) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|503/.test(line));
  await close(page);
});

test('where tokens are asked for, the page asks for one and keeps none', async () => {
  const guarded = new Daemon([], {});
  const tokens = join(guarded.folder, 'tokens');
  writeFileSync(tokens, 'root 0123456789abcdef0123456789abcdef admin\nreader fedcba9876543210fedcba9876543210 subscribe:orders.>\n', { mode: 0o600 });
  guarded.args = ['--http-tokens', tokens];
  await guarded.run();
  const page = await open('/', {}, guarded);
  const dialog = page.locator('#login');
  await dialog.waitFor();
  assert.deepEqual(page.said, []);
  await page.locator('#login-token').fill('wrong-token-wrong-token-wrong');
  await page.keyboard.press('Enter');
  await page.locator('#login-error').getByText('not known').waitFor();
  await page.locator('#login-token').fill('0123456789abcdef0123456789abcdef');
  await page.keyboard.press('Enter');
  await page.locator('#link[data-state="live"]').waitFor();
  await dialog.waitFor({ state: 'hidden' });
  const kept = await page.evaluate(() => [document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage), location.href].join());
  assert.ok(!kept.includes('0123456789abcdef'), kept);
  page.said = page.said.filter((line) => !line.includes('401'));
  await close(page);

  const reader = await open('/', {}, guarded);
  await reader.locator('#login-token').fill('fedcba9876543210fedcba9876543210');
  await reader.keyboard.press('Enter');
  await reader.locator('#link[data-state="live"]').waitFor();
  assert.equal(await reader.locator('[data-view="plugins"]').isVisible(), false);
  await close(reader);
  await guarded.close();
});

test('it fits a narrow screen, in light and dark', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const page = await live('/', { viewport: { width: 390, height: 844 }, colorScheme, hasTouch: true });
    for (const view of ['events', 'plugins', 'flow', 'dead']) {
      await page.locator(`[data-view="${view}"]`).click();
      await page.locator(`#view-${view}`).waitFor();
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${view} is ${wide} pixels too wide`);
      await shot(page, `${view}-narrow-${colorScheme}`);
    }
    await close(page);
  }
});
