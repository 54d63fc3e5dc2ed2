// From counters that only rise to rates. Pure.

export class Rates {
  constructor() {
    this.last = null;
  }

  // `counters` are numbers by name, `now` milliseconds. The difference to the time before for each, and the seconds between;
  // null the first time and after a restart of what counts.
  step(counters, now) {
    const last = this.last;
    this.last = { counters, now };
    if (!last || now <= last.now) return null;
    const change = {};
    for (const [name, value] of Object.entries(counters)) {
      change[name] = value - (last.counters[name] ?? 0);
      if (change[name] < 0) return null;
    }
    return { change, seconds: (now - last.now) / 1000 };
  }
}
