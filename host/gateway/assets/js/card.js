// The card of one plugin.

import { attr, h, text } from './dom.js';
import { bytes, count, duration, rate, short } from './format.js';
import { Rates } from './rates.js';
import { Spark } from './spark.js';
import { show, since, traceParts } from './viewer.js';

const STATES = {
  starting: ['starting', ''], running: ['running', 'good'], paused: ['paused', 'warn'], suspended: ['suspended', 'bad'],
  probing: ['trying one event', 'warn'], rejected: ['refused', 'bad'],
};

export class Card {
  // `act(name, verb)` carries out reload, pause or resume.
  constructor(name, act) {
    this.rates = new Rates();
    this.spark = new Spark(`Events per second of ${name}, the last minute`);
    this.badge = h('span.badge');
    this.generation = h('span.generation');
    this.chips = h('div.chips', { 'aria-label': 'Filters' });
    this.rate = h('b', {}, '–');
    this.gauges = {
      queue: gauge('Queue'), time: gauge('Time per event'), fuel: gauge('Fuel per event'), memory: gauge('Memory'),
    };
    this.tally = h('div.tally');
    this.faults = h('button.small.card-fault', { type: 'button', onclick: () => show(`${name}: last faults`, this.records.toReversed().map(fault), JSON.stringify(this.records, null, 2)) });
    this.rejection = h('div.rejection', { role: 'note' });
    this.pause = h('button.small', { type: 'button', onclick: () => act(name, this.paused ? 'resume' : 'pause') }, 'Pause');
    this.reload = h('button.small', { type: 'button', onclick: () => act(name, 'reload') }, 'Reload');
    this.why = h('span.why');
    this.buttons = [this.pause, this.reload];
    this.element = h(
      'article.card', { 'aria-label': `Plugin ${name}`, 'data-plugin': name },
      h('div.card-head', {}, h('h3', {}, name), this.badge, this.generation),
      this.chips,
      this.rejection,
      this.live = h('div.card-rate', {}, h('div.figure', {}, this.rate, h('span', {}, 'events/s')), this.spark.element),
      this.gaugeBox = h('div.gauges', {}, Object.values(this.gauges).map((gauge) => gauge.element)),
      this.tally,
      this.faults,
      h('div.card-foot', {}, this.pause, this.reload, this.why),
    );
    this.element.card = this;
  }

  update(plugin, now) {
    const [word, kind] = STATES[plugin.state] ?? [plugin.state, ''];
    text(this.badge, word);
    attr(this.badge, 'class', `badge ${kind}`);
    this.element.classList.toggle('ill', kind === 'bad');
    this.paused = plugin.paused;
    text(this.pause, plugin.paused || plugin.state === 'suspended' ? 'Resume' : 'Pause');
    if (plugin.state === 'suspended') this.paused = true;
    text(this.why, whyNot(plugin));
    this.refused(plugin.last_rejection, plugin.state === 'rejected');
    this.faulty(plugin);
    const runs = plugin.counters !== undefined;
    for (const part of [this.live, this.gaugeBox, this.tally, this.chips]) part.hidden = !runs;
    this.pause.hidden = !runs;
    text(this.generation, runs ? `generation ${plugin.generation}` : '');
    if (runs) this.running(plugin, now);
  }

  running({ filters, counters, metrics, limits, queue, instances }, now) {
    const shown = filters.map(String);
    if (this.shown !== shown.join('\n')) {
      this.shown = shown.join('\n');
      this.chips.replaceChildren(...shown.map((filter) => h('span.chip', {}, filter)));
    }
    const step = this.rates.step(
      { attempts: counters.attempts, calls: metrics.calls, fuel: metrics.fuel_total, time: metrics.time_ns_total }, now,
    );
    if (step) {
      const perSecond = step.change.attempts / step.seconds;
      text(this.rate, rate(perSecond));
      this.spark.push(perSecond);
    }
    // Of the last second where something was called in it, else since the generation began.
    const of = step && step.change.calls > 0 ? step.change : { calls: metrics.calls, fuel: metrics.fuel_total, time: metrics.time_ns_total };
    const mean = (sum) => (of.calls > 0 ? sum / of.calls : 0);
    const { queue: waiting, time, fuel, memory } = this.gauges;
    waiting.set(count(counters.waiting), counters.waiting, queue.events_max, backlog(counters, queue));
    time.set(duration(mean(of.time)), metrics.time_ns_max, limits.deadline_ms * 1e6, `most ${duration(metrics.time_ns_max)} of ${duration(limits.deadline_ms * 1e6)}`);
    fuel.set(short(mean(of.fuel)), metrics.fuel_max, limits.fuel_per_event, `most ${short(metrics.fuel_max)} of ${short(limits.fuel_per_event)}`);
    memory.set(bytes(metrics.memory_bytes_last), metrics.memory_bytes_peak, limits.memory_bytes, `most ${bytes(metrics.memory_bytes_peak)} of ${bytes(limits.memory_bytes)}`);
    const facts = [
      ['acked', counters.acked], ['retried', counters.retried], ['rejected', counters.rejected], ['faults', counters.faults],
      ['dead', counters.dead], ['dropped', counters.dropped], ['published', metrics.publishes],
    ].filter(([name, value]) => value > 0 || name === 'acked');
    if (instances > 1) facts.push(['instances', instances]);
    const said = JSON.stringify(facts);
    if (this.said === said) return;
    this.said = said;
    const bad = ['faults', 'dead', 'dropped'];
    this.tally.replaceChildren(...facts.map(([name, value]) => h(bad.includes(name) ? 'span.bad' : 'span', {}, h('b', {}, count(value)), ` ${name}`)));
  }

  refused(rejection, stands) {
    this.rejection.hidden = !rejection;
    if (!rejection) return;
    text(this.rejection, `${stands ? 'Refused' : 'A newer version was refused'} ${since(rejection.time_ns)} (${rejection.kind}): ${rejection.cause}`);
  }

  faulty(plugin) {
    const faults = plugin.last_faults ?? [];
    this.faults.hidden = faults.length === 0;
    const last = faults.at(-1);
    this.records = faults;
    if (last) text(this.faults, `Last fault: ${last.kind}, ${since(last.time_ns)}${faults.length > 1 ? `, and ${faults.length - 1} before` : ''}`);
  }
}

const backlog = (counters, queue) =>
  counters.durable?.behind ? `and more in the journal: ${count(counters.durable.backlog)} behind` : `of ${count(queue.events_max)}, ${counters.in_flight} in flight`;

function whyNot({ state, until_ns: until, busy }) {
  if (state === 'suspended') return `faulted too often; tried again at ${since(until)}`;
  return busy ? 'working…' : '';
}

function fault(fault) {
  return h(
    'div.fault', {},
    h('p', {}, h('span.badge.bad', {}, fault.kind), ' ', fault.limit ? `limit ${fault.limit}: ` : '', fault.message),
    h('p.when', {}, `${since(fault.time_ns)}, generation ${fault.generation}, attempt ${fault.attempt} at `, h('span.mono', {}, `${fault.topic} ${fault.event_id}`)),
    traceParts(fault),
  );
}

// A number, what it is out of, and a bar for how much of that is used.
function gauge(label) {
  const value = h('b', {}, '–');
  const bar = h('div');
  const meter = h('div.meter', { role: 'meter', 'aria-label': label, 'aria-valuemin': 0, 'aria-valuemax': 100 }, bar);
  const detail = h('div.detail');
  return {
    element: h('div.gauge', {}, h('div.label', {}, h('span', {}, label), value), meter, detail),
    set(shown, used, of, said) {
      text(value, shown);
      const percent = of > 0 ? Math.min(Math.round((100 * used) / of), 100) : 0;
      bar.style.width = `${percent}%`;
      attr(meter, 'aria-valuenow', percent);
      meter.classList.toggle('high', percent >= 60 && percent < 85);
      meter.classList.toggle('full', percent >= 85);
      text(detail, said);
    },
  };
}
