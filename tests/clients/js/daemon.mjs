// A real daemon on a temporary folder, for one test file.

import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after } from 'node:test';

// Longest wait for anything.
export const PATIENCE_MS = 60_000;

const bin = required('PLUGBUS_BIN');
const guests = required('PLUGBUS_GUESTS');

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run these tests by \`cargo xtask clients\``);
  return value;
}

// Those of this file: a test that fails leaves its own running, and the file would never end.
const daemons = new Set();
after(() => Promise.all([...daemons].map((daemon) => daemon.close())));

export class Daemon {
  // `args` are further arguments of `plugbus run`; `plugins` maps names to { guest, manifest }.
  static async start({ args = [], plugins = {}, env = {} } = {}) {
    const daemon = new Daemon(args, env);
    for (const [name, plugin] of Object.entries(plugins)) daemon.plugin(name, plugin);
    await daemon.run();
    return daemon;
  }

  constructor(args, env) {
    this.folder = mkdtempSync(join(tmpdir(), 'plugbus-client-'));
    this.args = args;
    this.env = { PATH: process.env.PATH, PLUGBUS_SOCKET: join(this.folder, 's'), ...env };
    this.listen = '127.0.0.1:0';
    mkdirSync(join(this.folder, 'plugins.d'));
    daemons.add(this);
  }

  // Puts a built guest (`plugins/count-topics`, `fixtures/echo`) into the folder, manifest first.
  plugin(name, { guest, manifest = '' }) {
    const place = (file) => join(this.folder, 'plugins.d', file);
    if (manifest) writeFileSync(place(`${name}.toml`), manifest);
    const staged = join(this.folder, `${name}.new`);
    copyFileSync(join(guests, `${guest}.wasm`), staged);
    renameSync(staged, place(`${name}.wasm`));
  }

  // Starts it and waits until it is ready. Started again, it takes the same address as before.
  async run() {
    const args = ['run', '--http-listen', this.listen, ...this.args];
    this.child = spawn(bin, args, { cwd: this.folder, env: this.env, stdio: ['ignore', 'ignore', 'pipe'] });
    this.log = [];
    this.ended = new Promise((resolve) => this.child.once('exit', resolve));
    const address = await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`not ready in time:\n${this.log.join('\n')}`)), PATIENCE_MS);
      createInterface({ input: this.child.stderr }).on('line', (line) => {
        this.log.push(line);
        const plain = line.replace(/\x1b\[[0-9;]*m/g, '');
        const found = /\bready\b.*\bhttp="?(?:https?:\/\/)?([0-9.:[\]a-f]+)/.exec(plain);
        if (found) resolve(found[1]);
      });
      this.ended.then((code) => reject(new Error(`ended with ${code}:\n${this.log.join('\n')}`)));
      this.ended.then(() => clearTimeout(late));
    });
    this.listen = address;
    this.url = `http://${address}`;
  }

  // A command of the command line that must succeed; what it printed.
  cli(...args) {
    const { input } = typeof args.at(-1) === 'object' ? args.pop() : {};
    const done = spawnSync(bin, args, { cwd: this.folder, env: this.env, encoding: 'utf8', input });
    if (done.status !== 0) throw new Error(`plugbus ${args.join(' ')}: ${done.stderr || done.error}`);
    return done.stdout;
  }

  // Publishes over HTTP; the answer's JSON.
  async publish(topic, data, headers = {}) {
    const response = await fetch(`${this.url}/v1/topics/${encodeURIComponent(topic)}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof data === 'string' || data instanceof Uint8Array ? data : JSON.stringify(data),
    });
    if (response.status !== 202) throw new Error(`${topic}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async stop(signal = 'SIGTERM') {
    if (this.child && this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill(signal);
      await this.ended;
    }
  }

  // Stops it and removes its folder.
  async close() {
    daemons.delete(this);
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

// Waits until `look` gives something that is not falsy.
export async function until(what, look, limit = PATIENCE_MS) {
  const begun = Date.now();
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() - begun > limit) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
