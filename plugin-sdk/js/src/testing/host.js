/** The host's side of `publish` and `log` natively: whichever test's host is calling the plugin. */

let current;

/** Runs the plugin with a recorder as its host. */
export function withRecorder(recorder, run) {
  const before = current;
  current = recorder;
  try {
    return run();
  } finally {
    current = before;
  }
}

/** The recorder; what the plugin wants of it is for the message where there is none. */
export function recorder(what) {
  if (current === undefined) throw new Error(`${what}: only while an event is handled by a host, see plugbus/testing`);
  return current;
}

export const publish = (topic, payload, extensions) => recorder("publish").publish(topic, payload, extensions);
export const log = (level, context, message) => recorder("log").log(level, context, message);
