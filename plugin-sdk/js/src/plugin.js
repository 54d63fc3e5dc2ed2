/** What a module of a plugin exports: its handlers, or what makes them of the configuration. */

/** Recognises a definition also where two copies of this package meet. */
export const DEFINITION = Symbol.for("plugbus.definition");

export function plugin(handlers, options = {}) {
  const makesHandlers = typeof handlers === "function";
  if (!makesHandlers) checkHandlers(handlers);
  if (options.onError !== undefined && typeof options.onError !== "function") {
    throw new TypeError("plugin: `onError` must be a function");
  }
  return Object.freeze({
    [DEFINITION]: true,
    make: makesHandlers ? handlers : () => handlers,
    onError: options.onError,
  });
}

/** Sees that these are handlers by filter. The host checks the filters themselves. */
export function checkHandlers(handlers) {
  if (typeof handlers !== "object" || handlers === null) {
    throw new TypeError('plugin: expected handlers by filter, such as { "orders.*": (event) => … }');
  }
  for (const [filter, handler] of Object.entries(handlers)) {
    if (typeof handler !== "function") throw new TypeError(`plugin: the handler of \`${filter}\` must be a function`);
  }
  return handlers;
}
