// The manifest's `[config]` table.
import { Reject } from "plugbus";
import { checkUrl } from "plugbus/http";

export interface Config {
  url: string;
  template: string;
  text_max: number;
  per_minute: number;
  over: "wait" | "drop";
  timeout_ms: number;
}

const DEFAULTS: Omit<Config, "url"> = {
  template: "*{{topic}}* {{text}}",
  text_max: 3000,
  per_minute: 30,
  over: "wait",
  timeout_ms: 4000,
};

const wrong = (problem: string): Reject => new Reject(`config: ${problem}`);

/** The configuration with its defaults; throws with the key that is wrong. */
export function readConfig(given: Record<string, unknown>): Config {
  const known = ["url", ...Object.keys(DEFAULTS)];
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) throw wrong(`unknown key \`${key}\`, expected one of ${known.join(", ")}`);
  }
  const config = { ...DEFAULTS, ...given } as Config;
  if (given.url === undefined) throw wrong("missing key `url`");
  try {
    checkUrl(config.url);
  } catch (error) {
    throw wrong(`key \`url\`: ${(error as Error).message}`);
  }
  if (typeof config.template !== "string" || config.template.trim() === "") throw wrong("key `template`: expected a text");
  if (!["wait", "drop"].includes(config.over)) throw wrong('key `over`: expected "wait" or "drop"');
  inRange(config, "text_max", 1, 40_000);
  inRange(config, "per_minute", 1, 600);
  inRange(config, "timeout_ms", 1, 300_000);
  return config;
}

function inRange(config: Config, key: "text_max" | "per_minute" | "timeout_ms", min: number, max: number): void {
  const value: unknown = config[key];
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw wrong(`key \`${key}\`: ${JSON.stringify(value)} is not in ${min} to ${max}`);
  }
}
