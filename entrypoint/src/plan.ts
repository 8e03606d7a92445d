// Which value each variable gets. The container's own word comes before the delivery's, and what is named one by one
// before whole secrets: its references, then its WIS_SECRETS, then the delivery's `env`, then the delivery's `paths`.
// Within one list of whole secrets two that give one name are an error, because neither is meant more than the other.

import { Secret, variableName } from "@vaultbuddy/common";
import type { SecretPlan } from "@vaultbuddy/common";
import { Failure } from "./exit.ts";
import { quote } from "./find.ts";
import type { Answers, Needs } from "./read.ts";
import { describeSource, sourceId } from "./reference.ts";
import type { Parts, Reference, Source } from "./reference.ts";

/** The variables that secrets become. */
export type Variables = ReadonlyMap<string, Secret>;

/** What the container itself asks for. */
export interface OwnPlan {
  /** Whole secrets: each key becomes a variable. */
  readonly secrets: readonly Source[];
  /** Variables whose value holds references. */
  readonly references: ReadonlyMap<string, Parts>;
  /** Put in front of the names that keys of whole secrets give. */
  readonly prefix: string;
  /** Whether those keys are put into capitals. */
  readonly uppercase: boolean;
  /** Where the transit engine decrypts; there where a reference is a ciphertext. */
  readonly decryptPath?: string;
}

/** Everything to ask Vault for, `more` with it. What a reference overrides is not asked for. */
export function needsOf(own: OwnPlan, plan: SecretPlan, more: Needs): Needs {
  const references = [...own.references.values()]
    .flat()
    .filter((part) => typeof part !== "string");
  const { decryptPath } = own;
  return {
    sources: [
      ...own.secrets,
      ...plan.paths.map((path) => wholeAt(path)),
      ...[...plan.env].flatMap(([name, reference]) =>
        own.references.has(name) ? [] : [wholeAt(split(reference).path)],
      ),
      ...references.flatMap((one) => (one.kind === "key" ? [one.source] : [])),
      ...more.sources,
    ],
    ciphertexts: [
      ...new Set([
        ...references.flatMap((one) =>
          one.kind === "ciphertext" ? [one.ciphertext] : [],
        ),
        ...more.ciphertexts,
      ]),
    ],
    ...(decryptPath === undefined ? {} : { decryptPath }),
  };
}

/** Whether the application itself gets the token. */
export function givesToken({ references }: OwnPlan): boolean {
  return [...references.values()]
    .flat()
    .some((part) => typeof part !== "string" && part.kind === "token");
}

/**
 * The variables, from what was read. Throws {@link Failure} `secret_unusable` that names every path and key that cannot
 * become one, and never a value.
 */
export function assemble(
  own: OwnPlan,
  plan: SecretPlan,
  answers: Answers,
  token: Secret,
): Variables {
  const assembly = new Assembly(own, answers, token);
  const variables = new Map([
    ...assembly.whole(plan.paths.map((path) => wholeAt(path))),
    ...assembly.mapped(plan.env),
    ...assembly.whole(own.secrets),
    ...assembly.resolved(own.references),
  ]);
  if (assembly.faults.size > 0) {
    throw new Failure("secret_unusable", [...assembly.faults].join("; "));
  }
  return variables;
}

/** Makes values of what was read, and gathers what cannot be made. */
export class Assembly {
  readonly faults = new Set<string>();
  readonly #own: OwnPlan;
  readonly #answers: Answers;
  readonly #token: Secret;

  constructor(own: OwnPlan, answers: Answers, token: Secret) {
    this.#own = own;
    this.#answers = answers;
    this.#token = token;
  }

  whole(sources: readonly Source[]): Map<string, Secret> {
    const from = new Map<string, string>();
    const variables = new Map<string, Secret>();
    const distinct = new Map(sources.map((one) => [sourceId(one), one]));
    for (const [id, source] of distinct) {
      for (const [key, value] of this.#answers.contents.get(id)?.values ?? []) {
        const name = this.#nameOf(key);
        const where = `key ${quote(key)} of ${describeSource(source)}`;
        const other = from.get(name);
        if (!variableName.pattern?.test(name)) {
          this.faults.add(`${where} is not the name of a variable`);
        } else if (other !== undefined) {
          this.faults.add(`${other} and ${where} both give ${name}`);
        } else if (this.#usable(value, where)) {
          variables.set(name, value);
        }
        from.set(name, other ?? where);
      }
    }
    return variables;
  }

  mapped(env: ReadonlyMap<string, string>): Map<string, Secret> {
    const variables = new Map<string, Secret>();
    for (const [name, reference] of env) {
      if (this.#own.references.has(name)) {
        continue;
      }
      const { path, key } = split(reference);
      const value = this.#keyOf(wholeAt(path), key, name);
      if (value !== undefined) {
        variables.set(name, value);
      }
    }
    return variables;
  }

  resolved(references: ReadonlyMap<string, Parts>): Map<string, Secret> {
    const variables = new Map<string, Secret>();
    for (const [name, parts] of references) {
      const texts = parts.map((part) =>
        typeof part === "string" ? part : this.resolve(part, name)?.expose(),
      );
      if (texts.every((text) => text !== undefined)) {
        variables.set(name, new Secret(texts.join("")));
      }
    }
    return variables;
  }

  #nameOf(key: string): string {
    const { prefix, uppercase } = this.#own;
    return `${prefix}${uppercase ? key.replace(/[a-z]+/g, (one) => one.toUpperCase()) : key}`;
  }

  /** What a reference stands for; `name` is what is to hold it, for the fault. */
  resolve(reference: Reference, name: string): Secret | undefined {
    switch (reference.kind) {
      case "token":
        return this.#token;
      case "key":
        return this.#keyOf(reference.source, reference.key, name);
      case "ciphertext": {
        const value = this.#answers.plaintexts.get(reference.ciphertext);
        const { decryptPath = "" } = this.#own;
        if (value === undefined) {
          this.faults.add(
            `${name} holds a ciphertext that ${quote(decryptPath)} does not decrypt to text`,
          );
          return undefined;
        }
        return this.#usable(value, `the text that ${name} is to hold`)
          ? value
          : undefined;
      }
    }
  }

  #keyOf(source: Source, key: string, name: string): Secret | undefined {
    const values = this.#answers.contents.get(sourceId(source))?.values;
    const where = describeSource(source);
    if (values?.has(key) !== true) {
      this.faults.add(
        `there is no key ${quote(key)} in ${where}, which ${name} is to hold`,
      );
      return undefined;
    }
    const value = values.get(key);
    return this.#usable(value, `key ${quote(key)} of ${where}`)
      ? value
      : undefined;
  }

  /** Whether a value can be a variable's. NUL ends a variable, so the application would get a part of it. */
  #usable(value: Secret | undefined, where: string): value is Secret {
    const fault =
      value === undefined
        ? "is null"
        : value.expose().includes("\0")
          ? "holds a NUL byte"
          : value.expose().isWellFormed()
            ? undefined
            : "is not Unicode text";
    if (fault !== undefined) {
      this.faults.add(`${where} ${fault}`);
    }
    return fault === undefined;
  }
}

function wholeAt(path: string): Source {
  return { kind: "read", path };
}

function split(reference: string): { path: string; key: string } {
  const at = reference.indexOf("#");
  return { path: reference.slice(0, at), key: reference.slice(at + 1) };
}
