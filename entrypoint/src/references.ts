// Which variables of the container hold references, found before anything happens: a broken one is a fault of the
// settings, told with all the others and before anybody waits.

import { isWithheld } from "./environ.ts";
import { parseValue } from "./reference.ts";
import type { Parts } from "./reference.ts";
import { expected } from "./settings.ts";

/** The variables that hold references. */
export interface References {
  readonly values: ReadonlyMap<string, Parts>;
  /** The names of those with a ciphertext in them. */
  readonly encrypted: readonly string[];
}

/** Finds them. What cannot be read is put into `faults` by the variable's name and never by its value. */
export function readReferences(
  env: ReadonlyMap<string, string>,
  names: {
    /** Left as they are. */
    readonly literal: ReadonlySet<string>;
    readonly passthrough: ReadonlySet<string>;
  },
  faults: string[],
): References {
  const values = new Map<string, Parts>();
  for (const [name, value] of env) {
    // The command gets none of these; but whoever writes VAULT_TOKEN=vault:login asks for it by name.
    const withheld =
      isWithheld(name, names.passthrough) && value !== "vault:login";
    if (withheld || names.literal.has(name)) {
      continue;
    }
    try {
      const parts = parseValue(value);
      if (parts !== undefined) {
        values.set(name, parts);
      }
    } catch (error) {
      faults.push(`${shown(name)}: ${expected(error)}`);
    }
  }
  const encrypted = [...values].flatMap(([name, parts]) =>
    parts.some((part) => typeof part === "object" && part.kind === "ciphertext")
      ? [shown(name)]
      : [],
  );
  return { values, encrypted };
}

/** A name is anybody's own text, so only a plain one is repeated. */
function shown(name: string): string {
  return /^[\w.-]{1,60}$/.test(name) ? name : "a variable";
}
