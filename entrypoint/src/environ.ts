// The application's environment: what this process was given, without our own settings and Vault's but those that are
// passed through by name, plus the secrets.
// Everything is checked before the command runs: what cannot be handed on to the last byte is an error, not a guess.

import { Failure } from "./exit.ts";
import { quote } from "./find.ts";
import type { Variables } from "./plan.ts";

/** The kernel's limit of one argument or one `NAME=value`, its NUL included (MAX_ARG_STRLEN). */
const ENTRY_BYTES = 128 * 1024;
/** Handed on only by name: how this process was told to work, and how it reaches Vault. */
const OURS = /^(?:WIS|VAULT)_/;

/** Whether the command does not get a variable it was given. */
export function isWithheld(
  name: string,
  passthrough: ReadonlySet<string>,
): boolean {
  return OURS.test(name) && !passthrough.has(name);
}

/**
 * Reads an environment block, as in /proc/self/environ. Throws {@link Failure} `environment` for what Node could not hand
 * on unchanged: an entry that is not UTF-8, that has no name or no `=`, or a name that comes twice.
 */
export function parseEnviron(block: Uint8Array): Map<string, string> {
  const env = new Map<string, string>();
  for (const [index, entry] of decode(block, "the environment").entries()) {
    const at = entry.indexOf("=");
    if (at <= 0) {
      throw new Failure(
        "environment",
        `entry ${index + 1} of the environment is not of the form NAME=value`,
      );
    }
    const name = entry.slice(0, at);
    if (env.has(name)) {
      throw new Failure(
        "environment",
        `the environment holds ${quote(name)} twice`,
      );
    }
    env.set(name, entry.slice(at + 1));
  }
  return env;
}

/** Refuses arguments that are not UTF-8: the text we have of them is not what was given. */
export function checkArguments(block: Uint8Array): void {
  decode(block, "the command line");
}

function decode(block: Uint8Array, what: string): string[] {
  try {
    const text = new TextDecoder("utf-8", {
      fatal: true,
      ignoreBOM: true,
    }).decode(block);
    return text === "" ? [] : text.replace(/\0$/, "").split("\0");
  } catch {
    throw new Failure("environment", `${what} is not UTF-8`);
  }
}

/**
 * The environment of the command. A secret takes the place of a variable of the same name: it was asked for by name,
 * while the variable may be an image's default. Throws {@link Failure} `secret_unusable` for a value that the kernel
 * would not take.
 */
export function appEnvironment(
  given: ReadonlyMap<string, string>,
  secrets: Variables,
  passthrough: ReadonlySet<string>,
): Record<string, string> {
  const kept = [...given].filter(([name]) => !isWithheld(name, passthrough));
  const added = [...secrets].map(
    ([name, value]) => [name, value.expose()] as const,
  );
  const long = added.filter(
    ([name, value]) => Buffer.byteLength(value) + name.length + 2 > ENTRY_BYTES,
  );
  if (long.length > 0) {
    throw new Failure(
      "secret_unusable",
      `longer than the 128 KiB that a variable can hold: ${long.map(([name]) => name).join(", ")}`,
    );
  }
  // Without a prototype: a variable may be called __proto__.
  const env: Record<string, string> = Object.create(null) as Record<
    string,
    string
  >;
  for (const [name, value] of [...kept, ...added]) {
    env[name] = value;
  }
  return env;
}
