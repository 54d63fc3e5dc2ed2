// Puts the parts together: the views, what is asked of the host every second, the state of the connection.

import { Refused, get, onSignIn } from './api.js';
import * as dead from './dead.js';
import { $, attr, text } from './dom.js';
import * as events from './events.js';
import * as flow from './flow.js';
import { rate } from './format.js';
import * as keys from './keys.js';
import * as login from './login.js';
import * as plugins from './plugins.js';
import * as theme from './theme.js';
import * as viewer from './viewer.js';

const VIEWS = ['events', 'plugins', 'flow', 'dead'];
const POLL_MS = 1000;
// The page is not in sight: then nobody needs to know by the second.
const POLL_HIDDEN_MS = 15_000;
// How soon a stream that the host ended is tried again.
const RETRY_MS = 2000;

let view = 'events';
let asking = false;
// Who has signed in, as the host has it; null where nobody has.
let who = null;
// The past is listed once.
let began = false;

function current() {
  const wanted = location.hash.slice(1);
  return VIEWS.includes(wanted) ? wanted : 'events';
}

function route() {
  viewer.close();
  view = current();
  for (const name of VIEWS) $(`view-${name}`).hidden = name !== view;
  for (const link of document.querySelectorAll('[data-view]')) {
    attr(link, 'aria-current', link.dataset.view === view ? 'page' : null);
  }
  if (view === 'events') events.redraw();
  if (view === 'flow') flow.draw();
  if (view === 'dead') dead.reload();
}

const WORDS = { live: 'live', lost: 'reconnecting', closed: 'reconnecting', refused: 'signed out' };

function state(name) {
  const link = $('link');
  link.dataset.state = name === 'closed' || name === 'refused' ? 'lost' : name;
  text(link, WORDS[name] ?? name);
  // A stream that was lost comes back by itself; one that was refused does not.
  if (name === 'closed') setTimeout(begin, RETRY_MS);
}

// Asks who this is, and shows what they may see.
async function begin() {
  try {
    who = await get('v1/whoami');
    if (who.login_needed) return signedOut();
    for (const name of VIEWS.slice(1)) document.querySelector(`[data-view="${name}"]`).hidden = !who.admin && name !== 'flow';
    let last = 0;
    if (who.admin && !began) {
      const stats = await get('v1/stats');
      last = stats.journal?.last_seq ?? stats.history?.last ?? 0;
    }
    began = true;
    events.connect(who.admin ? ['>', 'plugbus.>'] : who.subscribe, last);
    await refresh();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.status !== 401) state('closed');
  }
  return undefined;
}

function signedOut() {
  who = null;
  events.disconnect();
  state('refused');
  login.ask();
}

// Asks the host how it is.
async function refresh() {
  if (asking || !who?.admin) return;
  asking = true;
  try {
    const [stats, all] = await Promise.all([get('v1/stats'), plugins.load()]);
    const now = performance.now();
    plugins.update(all.plugins, now);
    plugins.updateOthers(stats.subscriptions, now);
    flow.updateSubscriptions(stats.subscriptions, all.plugins);
    dead.updateCount(stats.bus.dead_letters.held, stats.subscriptions);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  } finally {
    asking = false;
  }
}

function poll() {
  refresh();
  setTimeout(poll, document.hidden ? POLL_HIDDEN_MS : POLL_MS);
}

onSignIn(signedOut);
theme.start();
viewer.start();
flow.start();
dead.start();
login.start(begin);
plugins.onDone(refresh);
events.start({ onState: state, onRate: (total) => text($('vital-rate'), rate(total)), onPicture: flow.updateTraffic });
keys.start({
  go: (name) => { location.hash = name; }, current, togglePause: events.togglePause, focusFilter: events.focusFilter,
  focusList: events.focusList, close: viewer.close,
});
addEventListener('hashchange', route);
route();
begin();
poll();
