// How an answer of AWS is read: JSON of which we believe no type, in which new members may appear at any time, and in
// which some servers write null for what is absent.

import { Fields, ShapeError } from "@vaultbuddy/common";

/**
 * Opens an object; members that are null or an empty text count as absent, and unknown ones are left alone. Throws
 * {@link ShapeError}.
 */
export function openAnswer(value: unknown, at: string): Fields {
  const members = membersOf(value, at).filter(([, content]) => content !== "");
  return new Fields(Object.fromEntries(members), at);
}

/** The members of an object that are not null. Throws {@link ShapeError}. */
export function membersOf(value: unknown, at: string): [string, unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ShapeError(at, "must be an object");
  }
  return Object.entries(value).filter(([, member]) => member !== null);
}

/** A list that may be absent. */
export function optionalList<Item>(
  fields: Fields,
  name: string,
  max: number,
  read: (value: unknown, at: string) => Item,
): Item[] {
  return fields.has(name) ? fields.list(name, max, read) : [];
}

/** A time as AWS JSON has it, in seconds since 1970 with a fraction; in milliseconds. */
export function optionalTime(fields: Fields, name: string): number | undefined {
  if (!fields.has(name)) {
    return undefined;
  }
  const value = fields.take(name);
  if (typeof value !== "number" || !(value > 0 && value < 2 ** 40)) {
    throw new ShapeError(fields.place(name), "must be a time in seconds");
  }
  return value * 1000;
}
