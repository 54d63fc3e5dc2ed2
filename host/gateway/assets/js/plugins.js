// The plugins, and the subscriptions beside them.

import { Refused, get, part, post } from './api.js';
import { Card } from './card.js';
import { $, h, keyed, text, toast } from './dom.js';
import { count, duration, rate } from './format.js';
import { Rates } from './rates.js';

// Subscriptions that only look.
const WATCHERS = ['observer', 'watcher'];
const NATIVES_MAX = 200;

let asked = null;
const natives = new Map();

// Takes in what the host says of all plugins.
export function update(plugins, now) {
  $('plugins-empty').hidden = plugins.length > 0;
  keyed($('cards'), plugins, (plugin) => plugin.name, (plugin) => new Card(plugin.name, act).element, (element, plugin) => {
    element.card.update(plugin, now);
  });
  const ill = plugins.filter(({ state }) => state === 'rejected' || state === 'suspended').length;
  text($('count-plugins'), ill || plugins.length || '');
  $('count-plugins').classList.toggle('bad', ill > 0);
  $('count-plugins').title = ill > 0 ? `${ill} of ${plugins.length} do not run` : '';
}

// Takes in the subscriptions that are no plugins.
export function updateOthers(subscriptions, now) {
  const others = subscriptions
    .filter(({ name, kind }) => !name.startsWith('plugin/') && !WATCHERS.includes(kind)).slice(0, NATIVES_MAX);
  for (const name of natives.keys()) if (!others.some((other) => other.name === name)) natives.delete(name);
  const table = $('natives');
  table.parentElement.hidden = others.length === 0;
  table.parentElement.previousElementSibling.hidden = others.length === 0;
  keyed(table.tBodies[0], others, ({ name }) => name, () => h('tr', {}, h('td.mono'), h('td.mono'), ...[1, 2, 3, 4, 5].map(() => h('td.num'))), (row, other) => {
    if (!natives.has(other.name)) natives.set(other.name, new Rates());
    const step = natives.get(other.name).step({ attempts: other.attempts }, now);
    const mean = other.attempts > 0 ? duration(other.handler_ns_total / other.attempts) : '–';
    [other.name, other.filters.join('  '), step ? rate(step.change.attempts / step.seconds) : '–', count(other.waiting), mean, count(other.faults), count(other.dead)]
      .forEach((value, n) => text(row.cells[n], value));
  });
}

// What asks for everything anew after something was done.
export const onDone = (refresh) => { asked = refresh; };

async function act(name, verb) {
  const card = [...$('cards').children].find((element) => element.card.element.dataset.plugin === name)?.card;
  card?.buttons.forEach((button) => { button.disabled = true; });
  try {
    const done = await post(`v1/plugins/${part(name)}/${verb}`);
    toast(done?.message ?? `${name}: ${verb} done`);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    toast(error.message, true);
  } finally {
    card?.buttons.forEach((button) => { button.disabled = false; });
    asked?.();
  }
}

export const load = () => get('v1/plugins');
