// The file of pairs, by the rules of `docker run --env-file`, so that one file serves both: a line is NAME=value, taken
// as it is to its end, quotes and all; a name alone takes its value from this environment; # begins a comment line; of two
// lines with one name the last counts. What Docker refuses is refused, and so are the entrypoint's own settings.

import { Secret } from "@vaultbuddy/common";

/** The pairs, or every fault by its line. No value is repeated: it is a secret. */
export type EnvFile =
  | { readonly pairs: ReadonlyMap<string, Secret> }
  | { readonly faults: readonly string[] };

/** Reads a file's bytes; `own` is the environment that a name alone takes its value from. */
export function parseEnvFile(
  bytes: Uint8Array,
  own: Readonly<Record<string, string | undefined>>,
): EnvFile {
  let text: string;
  try {
    // The decoder takes away a byte order mark, as Docker does.
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return { faults: ["it is not UTF-8"] };
  }
  const pairs = new Map<string, Secret>();
  const faults: string[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.replace(/\r$/, "").replace(/^\p{White_Space}+/u, "");
    if (line === "" || line.startsWith("#")) {
      continue;
    }
    const at = line.indexOf("=");
    const name = at < 0 ? line : line.slice(0, at);
    const fault = faultOf(name, line);
    if (fault !== undefined) {
      faults.push(`line ${index + 1} ${fault}`);
      continue;
    }
    const value = at < 0 ? own[name] : line.slice(at + 1);
    if (value !== undefined) {
      pairs.set(name, new Secret(value));
    }
  }
  return faults.length > 0 ? { faults } : { pairs };
}

function faultOf(name: string, line: string): string | undefined {
  if (name === "") {
    return "has no name before its =";
  }
  if (/\s/.test(name) || name.length > 255) {
    // `export A=b` and `A = b` are what shells or people write. The name may be anything, so it is not repeated.
    return "has no name of a variable before its = (a space, or no = at all)";
  }
  if (line.includes("\0")) {
    return "holds a NUL byte, which would end the variable";
  }
  return name.startsWith("WIS_")
    ? `names ${/^\w{1,60}$/.test(name) ? name : "WIS_…"}, which is a setting of the entrypoint and not the command's`
    : undefined;
}
