// The language of the filter box. Pure: a text becomes a function from an event to yes or no.
//
//   orders.>  *.created        a topic filter, where a token is `*` or `>`
//   topic:orders.created       the topic itself, or a filter
//   source:cron subject:a id:b the beginning of that attribute
//   error                      any other word: somewhere in the event, in small or capital letters
//   -word                      must not hold

import { isPattern, matches } from './topics.js';

const ATTRIBUTES = ['source', 'subject', 'id'];

// `raw` is called only for words that nothing else decides: it gives the whole event as text, in small letters.
export function parse(text) {
  const terms = text.split(/\s+/).filter((word) => word !== '' && word !== '-').map(term);
  if (terms.length === 0) return null;
  terms.sort((a, b) => a.cost - b.cost);
  return (event, raw) => terms.every(({ holds, wanted }) => holds(event, raw) === wanted);
}

function term(word) {
  const wanted = !word.startsWith('-');
  const positive = wanted ? word : word.slice(1);
  const colon = positive.indexOf(':');
  const [name, value] = [positive.slice(0, Math.max(colon, 0)), positive.slice(colon + 1)];
  if (name === 'topic') return { wanted, cost: 0, holds: (event) => matches(value, event.type) };
  if (ATTRIBUTES.includes(name)) {
    return { wanted, cost: 0, holds: (event) => String(event[name] ?? '').startsWith(value) };
  }
  if (isPattern(positive)) {
    // `>` in the box means everything, the host's own events too.
    return { wanted, cost: 0, holds: (event) => positive === '>' || matches(positive, event.type) };
  }
  const needle = positive.toLowerCase();
  return { wanted, cost: 1, holds: (event, raw) => raw().includes(needle) };
}
