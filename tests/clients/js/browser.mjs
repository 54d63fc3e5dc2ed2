// Debian's Chromium, driven by playwright-core, and what a page complains of.

import { chromium } from 'playwright-core';

// No sandbox: tests run as root in containers, and the pages are our own. The rest keeps Chromium from asking for hosts
// other than the daemon.
const args = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

export function launch() {
  return chromium.launch({ executablePath: process.env.PLUGBUS_CHROMIUM ?? '/usr/bin/chromium', headless: true, args });
}

// Everything that a page writes to its console as an error or warning, or does not catch.
export function complaints(page) {
  const found = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) found.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => found.push(`uncaught: ${error.stack}`));
  return found;
}
