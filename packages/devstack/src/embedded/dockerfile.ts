// The `changes` of an import or a commit: single Dockerfile instructions, of which Docker takes ten. Quoting is the
// Dockerfile's own: in double quotes a backslash stands before `"`, `$` and itself only.

import { ApiFault } from "./fault.ts";
import type { ImageConfig } from "./image-config.ts";

type Change = (config: ImageConfig, rest: string) => ImageConfig;

const changes: Readonly<Record<string, Change>> = {
  cmd: (config, rest) => ({ ...config, cmd: command(rest) }),
  entrypoint: (config, rest) => ({
    ...config,
    entrypoint: command(rest),
    // An entrypoint of one's own doesn't get the base's command.
    cmd: undefined,
  }),
  env: (config, rest) => ({ ...config, env: withEnv(config.env, pairs(rest)) }),
  label: (config, rest) => ({
    ...config,
    labels: { ...config.labels, ...Object.fromEntries(pairs(rest)) },
  }),
  expose: (config, rest) => ({
    ...config,
    exposedPorts: [...config.exposedPorts, ...words(rest).map(portName)],
  }),
  user: (config, rest) => ({ ...config, user: one(rest) }),
  workdir: (config, rest) => ({ ...config, workingDir: one(rest) }),
  volume: (config, rest) => ({
    ...config,
    volumes: [...config.volumes, ...(json(rest) ?? words(rest))],
  }),
  stopsignal: (config, rest) => ({ ...config, stopSignal: one(rest) }),
  onbuild: (config) => config,
};

/** The image's settings after these instructions. Throws a fault for one that Docker doesn't take either. */
export function applyChanges(
  config: ImageConfig,
  lines: readonly string[],
): ImageConfig {
  return lines.reduce((sum, line) => {
    const [, word = "", rest = ""] = /^\s*(\S+)\s*([^]*?)\s*$/.exec(line) ?? [];
    const change = changes[word.toLowerCase()];
    if (change === undefined || !Object.hasOwn(changes, word.toLowerCase()))
      throw new ApiFault(
        400,
        `${word.toLowerCase().slice(0, 100)} is not a valid change command`,
      );
    if (rest === "")
      throw new ApiFault(400, `${word.toUpperCase()} requires an argument`);
    return change(sum, rest);
  }, config);
}

/** A variable's later value takes the place of the earlier one. */
export function withEnv(
  env: readonly string[],
  more: readonly (readonly [string, string])[],
): string[] {
  const all = new Map(
    env.map((line) => {
      const cut = line.indexOf("=");
      return cut === -1
        ? [line, line]
        : ([line.slice(0, cut), line] as [string, string]);
    }),
  );
  for (const [name, value] of more) all.set(name, `${name}=${value}`);
  return [...all.values()];
}

/** The exec form, or a line for the shell. */
function command(rest: string): string[] {
  return json(rest) ?? ["/bin/sh", "-c", rest];
}

function json(rest: string): string[] | undefined {
  if (!rest.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(rest);
    return Array.isArray(value) && value.every((it) => typeof it === "string")
      ? value
      : undefined;
  } catch {
    return undefined;
  }
}

function portName(word: string): string {
  return word.includes("/") ? word : `${word}/tcp`;
}

function one(rest: string): string {
  return words(rest)[0] ?? "";
}

/** `a=b c="d e"`, or the older `a b c`, where everything behind the first word is the value. */
function pairs(rest: string): (readonly [string, string])[] {
  const parts = words(rest);
  if (parts[0]?.includes("=") !== true) {
    const [name = "", ...value] = parts;
    if (value.length === 0)
      throw new ApiFault(400, `${name.slice(0, 100)} must have two arguments`);
    return [[name, value.join(" ")]];
  }
  return parts.map((part) => {
    const cut = part.indexOf("=");
    if (cut < 1)
      throw new ApiFault(
        400,
        `Syntax error - can't find = in "${part.slice(0, 100)}". Must be of the form: name=value`,
      );
    return [part.slice(0, cut), part.slice(cut + 1)] as const;
  });
}

/** Splits at blanks outside quotes and takes the quotes away. */
function words(rest: string): string[] {
  const found: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < rest.length; at += 1) {
    const char = rest.charAt(at);
    const next = rest.charAt(at + 1);
    if (char === "\\" && quote !== "'" && next !== "") {
      const literal = quote === '"' && !'"$\\'.includes(next);
      word = (word ?? "") + (literal ? char + next : next);
      at += 1;
    } else if (quote === "" ? char === '"' || char === "'" : char === quote) {
      quote = quote === "" ? char : "";
      word ??= "";
    } else if (quote === "" && /\s/.test(char)) {
      if (word !== undefined) found.push(word);
      word = undefined;
    } else word = (word ?? "") + char;
  }
  if (quote !== "")
    throw new ApiFault(
      400,
      "unexpected end of statement while looking for matching quote",
    );
  return word === undefined ? found : [...found, word];
}
