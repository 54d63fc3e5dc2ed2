// Topics and filters by the rules of the bus: tokens with dots between; `*` is one token, a last `>` one or more; only
// filters that name it match the host's own `plugbus.`. Pure.

export function matches(filter, topic) {
  const wanted = filter.split('.');
  const found = topic.split('.');
  if (found[0] === 'plugbus' && wanted[0] !== 'plugbus') return false;
  for (let i = 0; i < wanted.length; i += 1) {
    if (wanted[i] === '>' && i === wanted.length - 1) return found.length > i;
    if (i >= found.length || (wanted[i] !== '*' && wanted[i] !== found[i])) return false;
  }
  return wanted.length === found.length;
}

// Whether a text can only be meant as a topic filter.
export const isPattern = (text) => text.split('.').some((token) => token === '*' || token === '>');
