// Signing in, where the host asks for a token. The token goes into a cookie that scripts cannot read.

import { Refused, request } from './api.js';
import { $, text } from './dom.js';

export function start(onSignedIn) {
  const dialog = $('login');
  $('login-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    text($('login-error'), '');
    try {
      await request('POST', 'v1/login', undefined, { authorization: `Bearer ${$('login-token').value.trim()}` });
      $('login-token').value = '';
      dialog.close();
      onSignedIn();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      text($('login-error'), error.message);
    }
  });
}

export function ask() {
  if (!$('login').open) $('login').showModal();
}
