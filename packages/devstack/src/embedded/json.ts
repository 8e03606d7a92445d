// Reading a request's JSON: a member that is absent or null is undefined, one of another type is refused, members that
// nobody asks for are ignored, as Docker's own decoder does.

import { ApiFault } from "./fault.ts";

/** An object of a request whose members have not been looked at. */
export type Json = Readonly<Record<string, unknown>>;

/** The object itself; empty for absent and null. */
export function object(value: unknown, at: string): Json {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw wrongType(at, "an object");
  return value;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function objectAt(from: Json, name: string): Json {
  return object(from[name], name);
}

export function textAt(from: Json, name: string): string | undefined {
  return optional(from, name, (value) =>
    typeof value === "string" ? value : fail(name, "a string"),
  );
}

export function numberAt(from: Json, name: string): number | undefined {
  return optional(from, name, (value) =>
    typeof value === "number" ? value : fail(name, "a number"),
  );
}

export function booleanAt(from: Json, name: string): boolean | undefined {
  return optional(from, name, (value) =>
    typeof value === "boolean" ? value : fail(name, "a boolean"),
  );
}

/** A list of strings; Docker takes a single string for a command too. */
export function textsAt(from: Json, name: string): string[] | undefined {
  return optional(from, name, (value) => {
    if (typeof value === "string") return [value];
    if (!Array.isArray(value)) return fail(name, "a list of strings");
    return value.map((one: unknown) =>
      typeof one === "string" ? one : fail(name, "a list of strings"),
    );
  });
}

/** A map of strings to strings. */
export function tableAt(
  from: Json,
  name: string,
): Record<string, string> | undefined {
  return optional(from, name, (value) =>
    Object.fromEntries(
      Object.entries(object(value, name)).map(([key, one]) => [
        key,
        typeof one === "string" ? one : fail(name, "a map of strings"),
      ]),
    ),
  );
}

function optional<T>(
  from: Json,
  name: string,
  read: (value: unknown) => T,
): T | undefined {
  const value = from[name];
  return value === undefined || value === null ? undefined : read(value);
}

function wrongType(at: string, wanted: string): ApiFault {
  return new ApiFault(400, `json: cannot unmarshal ${at}: ${wanted} is wanted`);
}

function fail(at: string, wanted: string): never {
  throw wrongType(at, wanted);
}
