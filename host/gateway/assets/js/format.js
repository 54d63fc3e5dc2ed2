// Numbers and times for people. Pure.

const whole = new Intl.NumberFormat('en');
const one = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

export const count = (n) => whole.format(n ?? 0);

// A rate: 0, 0.4, 12, 10,240.
export const rate = (n) => (n >= 10 || n === 0 ? whole.format(Math.round(n)) : one.format(n));

// 1.2 k, 3.4 M, 5 billion as 5 G.
export function short(n) {
  for (const [unit, size] of [['G', 1e9], ['M', 1e6], ['k', 1e3]]) {
    if (n >= size) return `${one.format(n / size)} ${unit}`;
  }
  return whole.format(Math.round(n));
}

export function bytes(n) {
  for (const [unit, size] of [['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10]]) {
    if (n >= size) return `${one.format(n / size)} ${unit}`;
  }
  return `${whole.format(n)} B`;
}

// A duration in nanoseconds.
export function duration(ns) {
  for (const [unit, size] of [['s', 1e9], ['ms', 1e6], ['µs', 1e3]]) {
    if (ns >= size) return `${one.format(ns / size)} ${unit}`;
  }
  return `${Math.round(ns)} ns`;
}

const two = (n) => String(n).padStart(2, '0');

// The time of day, with milliseconds.
export function clock(ms) {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return '–';
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}

// Date and time; the date is left out where it is today's.
export function moment(ms, now = Date.now()) {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return '–';
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return at.toDateString() === new Date(now).toDateString() ? time : `${at.toISOString().slice(0, 10)} ${time}`;
}

// The middle of a long text left out.
export function middle(text, max) {
  if (text.length <= max) return text;
  const half = Math.floor((max - 1) / 2);
  return `${text.slice(0, half)}…${text.slice(text.length - half)}`;
}
