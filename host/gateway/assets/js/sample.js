// What is kept of a flood, and what is said of it. Pure; the worker feeds it.

// Rows that one tick hands to the page. At ten ticks a second more than anybody can read.
export const ROWS_PER_TICK = 40;

// A fair choice of at most `max` out of any number, in their order (reservoir sampling).
export class Sample {
  constructor(max = ROWS_PER_TICK, random = Math.random) {
    this.max = max;
    this.random = random;
    this.seen = 0;
    this.kept = [];
  }

  // Where the next one would go: an index into `kept`, or -1 where it is left out.
  place() {
    this.seen += 1;
    if (this.kept.length < this.max) return this.kept.length;
    const at = Math.floor(this.random() * this.seen);
    return at < this.max ? at : -1;
  }

  // What was chosen, in order, and how many there were. Begins anew.
  take(order) {
    const taken = { rows: this.kept.sort((a, b) => order(a) - order(b)), seen: this.seen };
    this.kept = [];
    this.seen = 0;
    return taken;
  }
}

// Things kept for later, the newest of them, bounded in number and in size.
export class Store {
  constructor(countMax, sizeMax) {
    this.countMax = countMax;
    this.sizeMax = sizeMax;
    this.size = 0;
    this.kept = new Map();
  }

  put(key, value) {
    this.kept.set(key, value);
    this.size += value.length;
    for (const [oldest, old] of this.kept) {
      if ((this.kept.size <= this.countMax && this.size <= this.sizeMax) || oldest === key) break;
      this.kept.delete(oldest);
      this.size -= old.length;
    }
  }

  get(key) {
    return this.kept.get(key);
  }
}

// How many events went from which source to which topic; bounded, the rest is one sum.
export class Tally {
  constructor(pairsMax = 2000) {
    this.pairsMax = pairsMax;
    this.pairs = new Map();
    this.others = 0;
  }

  add(source, topic) {
    const key = `${source}\n${topic}`;
    const known = this.pairs.get(key);
    if (known) known.count += 1;
    else if (this.pairs.size < this.pairsMax) this.pairs.set(key, { source, topic, count: 1 });
    else this.others += 1;
  }

  // The busiest.
  top(max) {
    const all = [...this.pairs.values()].sort((a, b) => b.count - a.count);
    const rest = all.slice(max).reduce((sum, pair) => sum + pair.count, 0);
    return { pairs: all.slice(0, max).map((pair) => ({ ...pair })), others: this.others + rest };
  }
}
