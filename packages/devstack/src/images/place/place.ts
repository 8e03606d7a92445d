// Puts what ECS can give only as environment variables into files, where the broker reads them: its master key, its
// SecretID and the policy document. Run by a container of the broker's task that ends before the broker starts.

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** One variable and the file that its value goes into. */
export interface Placing {
  readonly variable: string;
  readonly file: string;
}

/** Reads `VARIABLE=file` arguments. Throws with a sentence for anything else. */
export function readPlacings(args: readonly string[]): Placing[] {
  if (args.length === 0) {
    throw new Error("usage: place.cjs DIRECTORY VARIABLE=FILE…");
  }
  return args.map((arg) => {
    const [, variable, file] =
      /^([A-Z_][A-Z0-9_]*)=([A-Za-z0-9][A-Za-z0-9._-]*)$/.exec(arg) ?? [];
    if (variable === undefined || file === undefined) {
      throw new Error(
        `${JSON.stringify(arg)} is not VARIABLE=FILE, the name of a file in the directory`,
      );
    }
    return { variable, file };
  });
}

/** Writes each variable's value, readable by this user only. Throws when one is missing, before anything is written. */
export function place(
  directory: string,
  placings: readonly Placing[],
  env: Readonly<Record<string, string | undefined>>,
): void {
  const values = placings.map(({ variable, file }) => {
    const value = env[variable];
    if (value === undefined || value === "") {
      throw new Error(`the variable ${variable} is not set`);
    }
    return { value, file };
  });
  mkdirSync(directory, { recursive: true });
  for (const { value, file } of values) {
    const path = join(directory, file);
    // A name appears when its file is whole, also where an earlier run has left one.
    writeFileSync(`${path}.new`, value, { mode: 0o400, flush: true });
    renameSync(`${path}.new`, path);
  }
}
