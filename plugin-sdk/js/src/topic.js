/** Topic filters. */

/** Whether a filter matches a topic: `*` stands for one token, a final `>` for one or more. */
export function matches(filter, topic) {
  const wanted = filter.split(".");
  const tokens = topic.split(".");
  // The host's own events are asked for by name.
  if (tokens[0] === "plugbus" && wanted[0] !== "plugbus") return false;
  const rest = wanted.at(-1) === ">" ? wanted.length - 1 : -1;
  if (rest >= 0 ? tokens.length <= rest : tokens.length !== wanted.length) return false;
  return wanted.every((token, index) => index === rest || token === "*" || token === tokens[index]);
}
