// Which value each variable gets: the container's own WIS_SECRETS before the delivery's `env`, and that before the
// delivery's `paths`. Within one of these lists two secrets that give one name are an error, because neither is meant
// more than the other.

import { variableName } from "@vaultbuddy/common";
import type { Secret, SecretPlan } from "@vaultbuddy/common";
import { Failure } from "./exit.ts";
import { quote } from "./find.ts";
import type { Content } from "./read.ts";

/** The variables that secrets become. */
export type Variables = ReadonlyMap<string, Secret>;

/** Every path that must be read, for the container's own list and the delivery's plan. */
export function pathsOf(
  own: readonly string[],
  plan: SecretPlan,
): readonly string[] {
  return [
    ...new Set([
      ...own,
      ...plan.paths,
      ...[...plan.env.values()].map((reference) => split(reference).path),
    ]),
  ];
}

/**
 * The variables, from what was read. Throws {@link Failure} `secret_unusable` that names every path and key that cannot
 * become one, and never a value.
 */
export function assemble(
  own: readonly string[],
  plan: SecretPlan,
  contents: ReadonlyMap<string, Content>,
): Variables {
  const faults: string[] = [];
  const variables = new Map([
    ...whole(plan.paths, contents, faults),
    ...mapped(plan.env, contents, faults),
    ...whole(own, contents, faults),
  ]);
  if (faults.length > 0) {
    throw new Failure("secret_unusable", [...new Set(faults)].join("; "));
  }
  return variables;
}

function whole(
  paths: readonly string[],
  contents: ReadonlyMap<string, Content>,
  faults: string[],
): Map<string, Secret> {
  const from = new Map<string, string>();
  const variables = new Map<string, Secret>();
  for (const path of new Set(paths)) {
    for (const [key, value] of contents.get(path)?.values ?? []) {
      const other = from.get(key);
      if (!variableName.pattern?.test(key)) {
        faults.push(
          `key ${quote(key)} of ${quote(path)} is not the name of a variable`,
        );
      } else if (other !== undefined) {
        faults.push(
          `key ${quote(key)} is in both ${quote(other)} and ${quote(path)}`,
        );
      } else if (usable(value, path, key, faults)) {
        variables.set(key, value);
      }
      from.set(key, other ?? path);
    }
  }
  return variables;
}

function mapped(
  env: ReadonlyMap<string, string>,
  contents: ReadonlyMap<string, Content>,
  faults: string[],
): Map<string, Secret> {
  const variables = new Map<string, Secret>();
  for (const [name, reference] of env) {
    const { path, key } = split(reference);
    const values = contents.get(path)?.values;
    if (values?.has(key) !== true) {
      faults.push(
        `there is no key ${quote(key)} in ${quote(path)}, which ${name} is to hold`,
      );
      continue;
    }
    const value = values.get(key);
    if (usable(value, path, key, faults)) {
      variables.set(name, value);
    }
  }
  return variables;
}

/** Whether a value can be a variable's. NUL ends a variable, so the application would get a part of it. */
function usable(
  value: Secret | undefined,
  path: string,
  key: string,
  faults: string[],
): value is Secret {
  const fault =
    value === undefined
      ? "is null"
      : value.expose().includes("\0")
        ? "holds a NUL byte"
        : value.expose().isWellFormed()
          ? undefined
          : "is not Unicode text";
  if (fault !== undefined) {
    faults.push(`key ${quote(key)} of ${quote(path)} ${fault}`);
  }
  return fault === undefined;
}

function split(reference: string): { path: string; key: string } {
  const at = reference.indexOf("#");
  return { path: reference.slice(0, at), key: reference.slice(at + 1) };
}
