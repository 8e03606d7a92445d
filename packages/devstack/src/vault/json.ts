// Vault's stand-in, the shapes of JSON it takes and gives. Real Vault decodes the first value of a body and never
// looks at the rest, and prints the keys of a map in order: both are kept here, so that answers compare as text.

export type Json =
  null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The request body as Vault reads it: nothing and `null` are no data, an object is the data, anything else (or
 * broken text) throws a SyntaxError. Text after the first value is ignored, as Go's decoder does.
 */
export function decodeBody(text: string): JsonObject | undefined {
  if (text.trim() === "") return undefined;
  const value = parseFirst(text);
  if (value === null) return undefined;
  if (!isObject(value)) throw new SyntaxError("not an object");
  return value;
}

function parseFirst(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const end = endOfObject(text);
    if (end === undefined) throw error;
    return JSON.parse(text.slice(0, end));
  }
}

/** Where the object that opens the text closes, or undefined when it doesn't. */
function endOfObject(text: string): number | undefined {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (quoted) {
      if (letter === "\\") at += 1;
      else if (letter === '"') quoted = false;
    } else if (letter === '"') quoted = true;
    else if (letter === "{") depth += 1;
    else if (letter === "}") {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return undefined;
}

/** The value with the keys of every object in order, as Go prints maps. */
export function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((key) => [key, sorted(value[key] ?? null)]),
  );
}

/** Go's `%q` for a string, and for a list of strings. */
export function quote(value: string | readonly string[]): string {
  return typeof value === "string"
    ? JSON.stringify(value)
    : `[${value.map((item) => JSON.stringify(item)).join(" ")}]`;
}
