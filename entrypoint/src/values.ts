// How a value of a secret is written into an environment variable. Text stands as it is; numbers and booleans as Vault
// wrote them, to the last digit; lists and objects as compact JSON. null is no value.

import { Secret, ShapeError } from "@vaultbuddy/common";

/** The keys of one secret. `undefined` where the value is null. */
export type Values = ReadonlyMap<string, Secret | undefined>;

/** One secret, both ways. */
interface Whole {
  readonly values: Values;
  /** All of it as compact JSON. */
  readonly json: Secret;
}

/** What ECMAScript's "JSON.parse source text access" adds, which the library's types do not know yet. */
interface Source {
  readonly source?: string;
}

/**
 * The keys and values in an answer to a read: `data.data` of a versioned KV engine, `data` of any other. Numbers keep
 * their digits: an id of 20 digits would lose its last ones as a JavaScript number. Throws {@link ShapeError}.
 */
export function parseSecret(answer: Uint8Array, versioned: boolean): Whole {
  const data = member(parseExact(decode(answer)), "data");
  const values = versioned ? member(data, "data") : data;
  if (typeof values !== "object" || values === null || Array.isArray(values)) {
    throw new ShapeError("data", "must be an object");
  }
  return {
    values: new Map(
      Object.entries(values).map(([key, value]) => [key, write(value)]),
    ),
    json: new Secret(JSON.stringify(values)),
  };
}

function write(value: unknown): Secret | undefined {
  return value === null || value === undefined
    ? undefined
    : new Secret(typeof value === "string" ? value : JSON.stringify(value));
}

/** Parses JSON; numbers that JavaScript would change keep their text. Throws {@link ShapeError}. */
export function parseExact(text: string): unknown {
  try {
    return JSON.parse(
      text,
      (_key: string, value: unknown, context?: Source): unknown =>
        typeof value === "number" && String(value) !== context?.source
          ? rawJson(context?.source ?? String(value))
          : value,
    );
  } catch {
    // The parser's message quotes the text.
    throw new ShapeError("", "must be JSON");
  }
}

/** JSON of what {@link parseExact} gave, the same text for the same content whatever the order of the names. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, inner: unknown): unknown =>
    // A number kept as text is frozen, and stays as it is.
    typeof inner === "object" &&
    inner !== null &&
    !Array.isArray(inner) &&
    !Object.isFrozen(inner)
      ? Object.fromEntries(
          Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)),
        )
      : inner,
  );
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ShapeError("", "must be UTF-8");
  }
}

const rawJson = (source: string): unknown =>
  (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(source);

function member(value: unknown, name: string): unknown {
  return typeof value === "object" &&
    value !== null &&
    Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}
