// One JSON object of a request, read field by field. AWS passes over members it does not know and null members, and
// answers SerializationException for a member of the wrong type; so does this.

import { AwsError } from "../aws/error.ts";
import { invalidParameter } from "./aws-error.ts";

export type Json = Readonly<Record<string, unknown>>;

export class Input {
  readonly raw: Json;
  readonly #at: string;

  /** Throws SerializationException unless `value` is an object. `at` is its place, for messages. */
  constructor(value: unknown, at = "") {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw wrongType(at, "an object");
    }
    this.raw = Object.fromEntries(Object.entries(value));
    this.#at = at;
  }

  has(name: string): boolean {
    return this.#get(name) !== undefined;
  }

  string(name: string): string | undefined {
    return this.#typed(name, "a string", isString);
  }

  /** Throws InvalidParameterException with `message` when it is absent or empty. */
  requiredString(name: string, message: string): string {
    const value = this.string(name);
    if (value === undefined || value === "") throw invalidParameter(message);
    return value;
  }

  integer(name: string): number | undefined {
    return this.#typed(name, "an integer", isInteger);
  }

  number(name: string): number | undefined {
    return this.#typed(name, "a number", isNumber);
  }

  boolean(name: string): boolean | undefined {
    return this.#typed(name, "a boolean", isBoolean);
  }

  strings(name: string): string[] {
    return this.#list(name).map((value, index) => {
      if (typeof value !== "string")
        throw wrongType(`${this.#place(name)}[${index}]`, "a string");
      return value;
    });
  }

  integers(name: string): number[] {
    return this.#list(name).map((value, index) => {
      if (!isInteger(value))
        throw wrongType(`${this.#place(name)}[${index}]`, "an integer");
      return value;
    });
  }

  objects(name: string): Input[] {
    return this.#list(name).map(
      (value, index) => new Input(value, `${this.#place(name)}[${index}]`),
    );
  }

  object(name: string): Input | undefined {
    const value = this.#get(name);
    return value === undefined
      ? undefined
      : new Input(value, this.#place(name));
  }

  /** A map of strings, such as labels. */
  map(name: string): Record<string, string> {
    const object = this.object(name);
    const found: Record<string, string> = {};
    for (const key of Object.keys(object?.raw ?? {})) {
      const value = object?.string(key);
      if (value !== undefined) found[key] = value;
    }
    return found;
  }

  /** A list of `{name, value}`, as environments are written. */
  pairs(name: string): { name: string; value: string }[] {
    return this.objects(name).map((one) => ({
      name: one.string("name") ?? "",
      value: one.string("value") ?? "",
    }));
  }

  #get(name: string): unknown {
    const value = Object.hasOwn(this.raw, name) ? this.raw[name] : undefined;
    return value === null ? undefined : value;
  }

  #list(name: string): readonly unknown[] {
    const value = this.#get(name);
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw wrongType(this.#place(name), "a list");
    return value;
  }

  #typed<T>(
    name: string,
    what: string,
    is: (value: unknown) => value is T,
  ): T | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (!is(value)) throw wrongType(this.#place(name), what);
    return value;
  }

  #place(name: string): string {
    return this.#at === "" ? name : `${this.#at}.${name}`;
  }
}

function wrongType(at: string, what: string): AwsError {
  return new AwsError(
    "SerializationException",
    `${at === "" ? "the request" : at} must be ${what}`,
  );
}

const isString = (value: unknown): value is string => typeof value === "string";
const isInteger = (value: unknown): value is number => Number.isInteger(value);
const isNumber = (value: unknown): value is number => typeof value === "number";
const isBoolean = (value: unknown): value is boolean =>
  typeof value === "boolean";
