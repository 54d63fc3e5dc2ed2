/** The exports of a component, made of what a project's module says. */

import { Instance } from "../instance.js";
import { install, seedRandom } from "./globals.js";

install();

export function subscriberOf(definition) {
  const instance = new Instance(definition);
  return {
    init(config) {
      seedRandom();
      return { filters: instance.init(config) };
    },
    handle: (event) => instance.handle(event),
  };
}
