// Vault's stand-in, the fields of a request. Vault checks what a path declares before the path's code runs and bends
// types on the way (a number for a string, "4" for 4, a comma list for a list), so the same is done here, once.

import { parseSeconds } from "./duration.ts";
import { isObject, quote } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";

export type FieldType =
  | "string"
  | "integer"
  | "boolean"
  | "list"
  | "comma list"
  | "integer list"
  | "duration"
  | "signed duration"
  | "map"
  | "pairs";
export type Schema = Readonly<Record<string, FieldType>>;

/** A value that can't be bent into its field's type. */
export class FieldFault extends Error {}

/** The declared fields of one request, already converted; durations are milliseconds. */
export class Fields {
  readonly raw: JsonObject;
  readonly #schema: Schema;
  readonly #values = new Map<string, unknown>();

  constructor(schema: Schema, raw: JsonObject) {
    this.raw = raw;
    this.#schema = schema;
    for (const [name, type] of Object.entries(schema)) {
      if (!Object.hasOwn(raw, name)) continue;
      const value = raw[name] ?? null;
      try {
        this.#values.set(name, convert(type, value));
      } catch (error) {
        throw new FieldFault(
          `error converting input ${show(value)} for field ${quote(name)}: ${error instanceof Error ? error.message : ""}`,
        );
      }
    }
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  string(name: string): string {
    const value = this.#of(name, "string");
    return typeof value === "string" ? value : "";
  }

  integer(name: string): number {
    const value = this.#of(name, "integer");
    return typeof value === "number" ? value : 0;
  }

  boolean(name: string, otherwise = false): boolean {
    const value = this.#of(name, "boolean");
    return typeof value === "boolean" ? value : otherwise;
  }

  duration(name: string): number {
    const value = this.#of(name, "duration", "signed duration");
    return typeof value === "number" ? value : 0;
  }

  list(name: string): string[] {
    const value = this.#of(name, "list", "comma list");
    return Array.isArray(value) ? value.map(String) : [];
  }

  integers(name: string): number[] {
    const value = this.#of(name, "integer list");
    return Array.isArray(value) ? value.map(Number) : [];
  }

  map(name: string): JsonObject | undefined {
    const value = this.#of(name, "map");
    return isObject(value) ? value : undefined;
  }

  pairs(name: string): Record<string, string> | undefined {
    const value = this.#of(name, "pairs");
    return isObject(value)
      ? Object.fromEntries(
          Object.entries(value).map(([key, text]) => [key, weakString(text)]),
        )
      : undefined;
  }

  #of(name: string, ...types: FieldType[]): unknown {
    const declared = this.#schema[name];
    if (declared === undefined || !types.includes(declared))
      throw new TypeError(`no ${types.join(" or ")} field ${name}`);
    return this.#values.get(name);
  }
}

function convert(type: FieldType, value: Json): unknown {
  switch (type) {
    case "string":
      return weakString(value);
    case "integer":
      return weakInteger(value);
    case "boolean":
      return weakBoolean(value);
    case "list":
      return weakList(value);
    case "comma list":
      return commaList(value);
    case "integer list":
      return commaList(value).map((item) => weakInteger(item));
    case "duration":
    case "signed duration": {
      const milliseconds = weakDuration(value);
      if (milliseconds < 0 && type === "duration")
        throw new Error(
          `cannot provide negative value '${Math.trunc(milliseconds / 1000)}'`,
        );
      return milliseconds;
    }
    case "map":
      if (value === null) return undefined;
      if (!isObject(value))
        throw new Error(`'' expected a map, got '${goKind(value)}'`);
      return value;
    case "pairs":
      return weakPairs(value);
  }
}

/** A scalar as Go's weak decoding makes it a string; `name` is the field that a fault names. */
export function weakString(value: Json, name = ""): string {
  if (value === null) return "";
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  if (typeof value === "boolean") return value ? "1" : "0";
  throw new Error(
    `'${name}' expected type 'string', got unconvertible type '${goType(value)}', value: '${show(value)}'`,
  );
}

export function weakInteger(value: Json, name = ""): number {
  if (value === null || value === "") return 0;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "number" && Number.isInteger(value)) return value;
  if (typeof value === "string" && /^[+-]?\d+$/.test(value))
    return Number(value);
  if (typeof value === "object")
    throw new Error(
      `'${name}' expected type 'int', got unconvertible type '${goType(value)}', value: '${show(value)}'`,
    );
  throw new Error(
    `cannot parse '${name}' as int: strconv.ParseInt: parsing ${quote(String(value))}: invalid syntax`,
  );
}

export function weakBoolean(value: Json, name = ""): boolean {
  if (value === null || value === "") return false;
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return value !== 0;
  if (typeof value === "object")
    throw new Error(
      `'${name}' expected type 'bool', got unconvertible type '${goType(value)}', value: '${show(value)}'`,
    );
  const parsed = parseBool(value);
  if (parsed !== undefined) return parsed;
  throw new Error(
    `cannot parse '${name}' as bool: strconv.ParseBool: parsing ${quote(value)}: invalid syntax`,
  );
}

/** Go's strconv.ParseBool. */
export function parseBool(text: string): boolean | undefined {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(text)) return false;
  return undefined;
}

export function weakList(value: Json, name = ""): string[] {
  if (value === null) return [];
  if (Array.isArray(value))
    return value.map((item, at) => weakString(item, `${name}[${at}]`));
  return [weakString(value, name)];
}

function commaList(value: Json): string[] {
  const items = typeof value === "string" ? value.split(",") : weakList(value);
  return items.map((item) => item.trim()).filter((item) => item !== "");
}

/** Seconds from a number, a duration from a string; milliseconds come out. */
export function weakDuration(value: Json): number {
  if (value === null) return 0;
  if (typeof value === "number") return Math.trunc(value) * 1000;
  if (typeof value === "string") return parseSeconds(value);
  throw new Error("could not parse duration from input");
}

function weakPairs(value: Json): Record<string, string> {
  if (value === null) return {};
  if (isObject(value))
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, weakString(item)]),
    );
  return Object.fromEntries(
    weakList(value).map((pair) => {
      const at = pair.indexOf("=");
      if (at === -1) throw new Error(`invalid key pair ${quote(pair)}`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function goKind(value: Json): string {
  if (Array.isArray(value)) return "slice";
  if (typeof value === "boolean") return "bool";
  return "string";
}

function goType(value: Json): string {
  return Array.isArray(value) ? "[]interface {}" : "map[string]interface {}";
}

/** A value as Go prints it with %v, as far as a fault's text needs it. */
function show(value: Json): string {
  if (value === null) return "<nil>";
  if (Array.isArray(value)) return `[${value.map(show).join(" ")}]`;
  if (isObject(value))
    return `map[${Object.keys(value)
      .toSorted()
      .map((key) => `${key}:${show(value[key] ?? null)}`)
      .join(" ")}]`;
  return String(value);
}
