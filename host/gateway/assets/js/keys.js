// Keys for the whole page. Those of a list are the list's own.

import { $ } from './dom.js';

const VIEWS = ['events', 'plugins', 'flow', 'dead'];

export function start({ go, current, togglePause, focusFilter, focusList, close }) {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    const typing = event.target.matches('input:not([type="checkbox"]), select, textarea');
    if (event.key === 'Escape') {
      if (!close() && typing) {
        event.target.blur();
        if (current() === 'events') focusList();
      }
      return;
    }
    if (typing && event.key === 'Enter' && event.target.id === 'filter') return focusList();
    if (typing) return;
    const view = VIEWS[Number(event.key) - 1];
    if (view) go(view);
    else if (event.key === '/') (current() === 'dead' ? $('dead-topic').focus() : (go('events'), focusFilter()));
    else if (event.key === 'p' && current() === 'events') togglePause();
    else if (event.key === '?') $('help').showModal();
    else if (['j', 'k', 'ArrowDown', 'ArrowUp'].includes(event.key) && event.target === document.body) first(current(), focusList);
    else return;
    event.preventDefault();
  });
  $('help-open').addEventListener('click', () => $('help').showModal());
}

function first(view, focusList) {
  if (view === 'events') focusList();
  if (view === 'dead') $('dead-table').tBodies[0].firstElementChild?.focus();
}
