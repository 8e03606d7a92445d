// Vault's stand-in, the metadata of a SecretID: a text that is JSON or `a=b,c=d`, either of them perhaps in base64. The
// order of the attempts and the texts are those of go-secure-stdlib's ParseArbitraryKeyValues.

import { isObject, quote } from "./json.ts";

/** Throws an Error with Vault's text for what is neither form, and for an empty value. */
export function readMetadata(text: string): Record<string, string> {
  const plain = text.trim();
  if (plain === "") return {};
  const decoded = decode(plain);
  const pairs = fromJson(decoded) ?? fromPairs(decoded);
  const empty = Object.entries(pairs).find(
    ([key, value]) => key !== "" && value === "",
  );
  if (empty !== undefined)
    throw new Error(`invalid value for key ${quote(empty[0])}`);
  return pairs;
}

/** Whatever can be read as base64 counts as base64, as `abcd` does. */
function decode(text: string): string {
  return text.length % 4 === 0 && /^[\w+/]+={0,2}$/.test(text)
    ? Buffer.from(text, "base64").toString()
    : text;
}

/** A map of strings and nothing else: one number in it, and all of it is no such map. */
function fromJson(text: string): Record<string, string> | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (parsed === null) return {};
  if (!isObject(parsed)) return undefined;
  const pairs: Record<string, string> = {};
  for (const [key, value] of Object.entries(parsed)) {
    // Go's decoder leaves the empty text where there is a null.
    if (value !== null && typeof value !== "string") return undefined;
    pairs[key] = value ?? "";
  }
  return pairs;
}

/** In lower case, both sides. */
function fromPairs(text: string): Record<string, string> {
  const items = text.split(",").map((item) => item.trim().toLowerCase());
  const pairs: Record<string, string> = {};
  for (const item of [...new Set(items)].toSorted()) {
    if (item === "") continue;
    const [key = "", value = "", ...more] = item
      .split("=")
      .map((part) => part.trim());
    if (more.length > 0 || !item.includes("="))
      throw new Error("failed to parse the input: invalid <key,value> format");
    if (key === "" || value === "")
      throw new Error(
        `failed to parse the input: invalid <key,value> pair: key: ${quote(key)} value: ${quote(value)}`,
      );
    pairs[key] = value;
  }
  return pairs;
}
