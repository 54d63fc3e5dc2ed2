// A list of which only the rows in sight exist: rows of one height, elements used again and again. Newest on top.

import { h } from './dom.js';

const EXTRA_ROWS = 6;

export class VirtualList {
  // `paint(element, item)` fills one row; `open(item)` is called for Enter and a click.
  constructor(box, inner, { paint, open, max }) {
    Object.assign(this, { box, inner, paint, open, max });
    this.items = [];
    this.rows = [];
    this.selected = null;
    this.due = false;
    this.height = 30;
    box.addEventListener('scroll', () => this.refresh(), { passive: true });
    box.addEventListener('keydown', (event) => this.key(event));
    box.addEventListener('click', (event) => {
      const row = event.target.closest('.row');
      if (row) this.choose(this.items[row.at], true);
    });
    new ResizeObserver(() => { this.measure(); this.refresh(); }).observe(box);
  }

  measure() {
    const probe = h('div.row', { 'aria-hidden': 'true' });
    this.inner.append(probe);
    this.height = probe.offsetHeight || 30;
    probe.remove();
  }

  // Adds items, oldest first. Whoever has scrolled down keeps the same rows in sight.
  add(items) {
    if (items.length === 0) return;
    const scrolled = this.box.scrollTop > 0;
    this.items = items.reverse().concat(this.items).slice(0, this.max);
    if (scrolled) {
      this.inner.style.height = `${this.items.length * this.height}px`;
      this.box.scrollTop += items.length * this.height;
    }
    this.refresh();
  }

  clear() {
    this.items = [];
    this.selected = null;
    this.box.scrollTop = 0;
    this.refresh();
  }

  // Paints with the next frame, however often it is asked.
  refresh() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.draw();
    });
  }

  draw() {
    const { box, inner, height, items } = this;
    if (box.clientHeight === 0) return;
    inner.style.height = `${items.length * height}px`;
    const first = Math.max(0, Math.floor(box.scrollTop / height) - EXTRA_ROWS);
    const last = Math.min(items.length, Math.ceil((box.scrollTop + box.clientHeight) / height) + EXTRA_ROWS);
    while (this.rows.length < last - first) {
      const row = h('div.row', { role: 'option', id: `row-${this.rows.length}` });
      this.rows.push(row);
      inner.append(row);
    }
    let active = null;
    this.rows.forEach((row, n) => {
      const at = first + n;
      row.hidden = at >= last;
      if (row.hidden) return;
      const item = items[at];
      row.at = at;
      row.style.transform = `translateY(${at * height}px)`;
      row.ariaSetSize = items.length;
      row.ariaPosInSet = at + 1;
      const chosen = item === this.selected;
      row.ariaSelected = chosen;
      if (chosen) active = row.id;
      if (row.item !== item) {
        row.item = item;
        this.paint(row, item);
      }
    });
    if (active) box.setAttribute('aria-activedescendant', active);
    else box.removeAttribute('aria-activedescendant');
  }

  choose(item, open) {
    if (!item) return;
    this.selected = item;
    this.reveal(this.items.indexOf(item));
    this.refresh();
    if (open) this.open(item);
  }

  reveal(at) {
    const { box, height } = this;
    if (at * height < box.scrollTop) box.scrollTop = at * height;
    else if ((at + 1) * height > box.scrollTop + box.clientHeight) box.scrollTop = (at + 1) * height - box.clientHeight;
  }

  move(by) {
    const at = this.items.indexOf(this.selected);
    const next = at < 0 ? 0 : Math.min(Math.max(at + by, 0), this.items.length - 1);
    this.choose(this.items[next], false);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.box.clientHeight / this.height) - 1);
    const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) this.move(steps[event.key]);
    else if (event.key === 'Enter') this.choose(this.selected ?? this.items[0], true);
    else return;
    event.preventDefault();
  }
}
