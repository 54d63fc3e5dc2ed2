// The few things that every view does with the page. Text from outside only ever becomes text nodes and attributes of
// our own choice, never markup.

export const $ = (id) => document.getElementById(id);

const SVG = 'http://www.w3.org/2000/svg';

// An element: `h('td.num', { title: 'x' }, 'text', child)`. Attributes whose value is null are left out; `on…` are listeners.
export function h(tag, attributes = {}, ...children) {
  return build(document.createElement(...name(tag)), tag, attributes, children);
}

// The same for SVG.
export function s(tag, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, ...name(tag)), tag, attributes, children);
}

const name = (tag) => [tag.split('.', 1)[0]];

function build(element, tag, attributes, children) {
  const classes = tag.split('.').slice(1);
  if (classes.length > 0) element.setAttribute('class', classes.join(' '));
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, '');
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Sets text only where it has changed: the browser lays out nothing for what stays.
export function text(element, value) {
  const wanted = String(value);
  if (element.textContent !== wanted) element.textContent = wanted;
}

export function attr(element, name, value) {
  if (value === null || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

// Keeps the children of `parent` equal to `items`: one element for each key, made once, moved, updated, removed.
export function keyed(parent, items, key, make, update) {
  const known = (parent.known ??= new Map());
  const wanted = new Set(items.map(key));
  for (const [old, element] of known) {
    if (!wanted.has(old)) {
      element.remove();
      known.delete(old);
    }
  }
  let before = parent.firstElementChild;
  for (const item of items) {
    let element = known.get(key(item));
    if (!element) known.set(key(item), (element = make(item)));
    update(element, item);
    if (element === before) before = before.nextElementSibling;
    else parent.insertBefore(element, before);
  }
}

const TOAST_MS = 5000;
const TOASTS_MAX = 4;

// Says something in the corner for a while.
export function toast(message, bad = false) {
  const box = $('toasts');
  const note = h(bad ? 'div.toast.bad' : 'div.toast', {}, message.slice(0, 500));
  while (box.childElementCount >= TOASTS_MAX) box.firstElementChild.remove();
  box.append(note);
  setTimeout(() => note.remove(), bad ? 2 * TOAST_MS : TOAST_MS);
}
