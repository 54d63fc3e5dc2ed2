// relay-webhook against a receiver that verifies with the library of Standard Webhooks.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { Webhook } from 'standardwebhooks';

import { Daemon, until } from './daemon.mjs';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const OLD = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

let server;
let origin;
const requests = [];

before(async () => {
  server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    requests.push({ path: request.url, headers: request.headers, body: Buffer.concat(chunks) });
    response.writeHead(requests.length === 1 ? 503 : 204).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
});
after(() => server.close());

// A daemon with the plugin, whose `[config]` is the given lines.
async function relay(config, top = '') {
  const manifest = `filters = ["a.>"]\n${top}\n[config]\n${config}\n[grants]\nhttp = ["${origin}"]\nkv = true\n`;
  requests.length = 0;
  return Daemon.start({ plugins: { 'relay-webhook': { guest: 'plugins/relay-webhook', manifest } } });
}

test('what is signed is verified by the library, at each attempt, with either secret', async () => {
  const daemon = await relay(`url = "${origin}/in"\n[config.sign]\nsecrets = ["${SECRET}", "${OLD}"]`);
  try {
    await daemon.publish('a.b', { name: 'Ada é' });
    await until('a second attempt', () => requests.length === 2);
    for (const { headers, body } of requests) {
      for (const secret of [SECRET, OLD]) {
        const event = new Webhook(secret).verify(body.toString(), headers);
        assert.deepEqual([event.type, event.data], ['a.b', { name: 'Ada é' }]);
      }
      assert.throws(() => new Webhook(SECRET).verify(`${body} `, headers));
      assert.throws(() => new Webhook(`whsec_${Buffer.alloc(32, 8).toString('base64')}`).verify(body.toString(), headers));
    }
    assert.equal(requests[0].headers['webhook-id'], requests[1].headers['webhook-id']);
  } finally {
    await daemon.close();
  }
});

test('a batch by a template is signed as GitHub signs', async () => {
  const body = '{"texts": [{% for e in events %}"{{ e.topic }} {{ e.data.name }}"{% if not loop.last %},{% endif %}{% endfor %}]}';
  const daemon = await relay(
    [
      `url = "${origin}/in"`,
      '[config.sign]\nscheme = "github"\nsecrets_env = "KEY"',
      '[config.batch]\nevents_max = 3\nage_ms = 200',
      `[config.template]\nbody = '''${body}'''`,
    ].join('\n') + '\n[grants.env]\nKEY = "It\'s a secret"',
    'tick_ms = 100',
  ).catch((error) => assert.fail(error));
  try {
    for (const name of ['"1"', '2', '3', '4']) await daemon.publish('a.b', { name });
    await until('both batches', () => requests.filter(({ body }) => body.includes('a.b 4')).length > 0);
    const texts = requests.flatMap(({ headers, body }) => {
      const expected = createHmac('sha256', 'It\'s a secret').update(body).digest('hex');
      assert.equal(headers['x-hub-signature-256'], `sha256=${expected}`);
      return JSON.parse(body).texts;
    });
    // The first request is answered with 503 and repeated.
    assert.deepEqual([...new Set(texts)], ['a.b "1"', 'a.b 2', 'a.b 3', 'a.b 4']);
  } finally {
    await daemon.close();
  }
});
