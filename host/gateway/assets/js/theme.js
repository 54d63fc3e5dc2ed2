// Light, dark, or as the system has it.

import { $ } from './dom.js';

const NEXT = { system: 'light', light: 'dark', dark: 'system' };

export function start() {
  let theme = 'system';
  try {
    theme = localStorage.getItem('plugbus-theme') ?? 'system';
  } catch { /* The browser keeps nothing for this page. */ }
  apply(theme in NEXT ? theme : 'system');
  $('theme').addEventListener('click', () => {
    theme = NEXT[theme] ?? 'light';
    apply(theme);
    try {
      localStorage.setItem('plugbus-theme', theme);
    } catch { /* As above. */ }
  });
}

function apply(theme) {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $('theme').title = `Colours: ${theme}`;
  $('theme').ariaLabel = `Colours: ${theme}`;
}
