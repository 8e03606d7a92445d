// Vault's stand-in, the part of HCL that policies are written in: blocks, assignments, strings, numbers, lists,
// objects and the three kinds of comment. Heredocs and interpolation are left out: no policy needs them.

import { isObject, quote } from "./json.ts";

export type HclValue = string | number | boolean | HclValue[] | HclObject;
export interface HclItem {
  /** The names before the value: `path "secret/*"` has two. */
  readonly keys: readonly string[];
  readonly value: HclValue;
  /** The line of its `=`, 0 when it has none, as Vault's faults count it. */
  readonly line: number;
}
export interface HclObject {
  readonly items: readonly HclItem[];
}

export function isHclObject(value: HclValue | undefined): value is HclObject {
  return typeof value === "object" && !Array.isArray(value);
}

/** Parses a policy's text, HCL or JSON (when it opens with `{`); throws an Error that names line and column. */
export function parseHcl(text: string): HclObject {
  if (text.trimStart().startsWith("{")) return fromJson(JSON.parse(text));
  return new Parser(text).file();
}

/** JSON's objects nest where HCL writes names in a row, so they become items with one name each. */
function fromJson(value: unknown): HclObject {
  const parsed = jsonValue(value);
  if (!isHclObject(parsed)) throw new Error("object expected");
  return parsed;
}

function jsonValue(value: unknown): HclValue {
  if (Array.isArray(value)) return value.map(jsonValue);
  if (isObject(value))
    return {
      items: Object.entries(value).map(([key, item]) => ({
        keys: [key],
        value: jsonValue(item),
        line: 1,
      })),
    };
  if (
    typeof value === "string" ||
    typeof value === "number" ||
    typeof value === "boolean"
  )
    return value;
  throw new Error("null is not allowed");
}

const blank = /(?:[\s\uFEFF]|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;
const identifier = /[\p{L}_][\p{L}\p{N}_.-]*/uy;
const number = /-?(?:0x[\da-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/y;
const string = /"(?:[^"\\\n]|\\.)*"/y;

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  file(): HclObject {
    const items: HclItem[] = [];
    this.#skip();
    while (this.#at < this.#text.length) {
      items.push(this.#item());
      this.#comma();
    }
    return { items };
  }

  #item(): HclItem {
    const keys = [this.#key()];
    for (;;) {
      this.#skip();
      const next = this.#text[this.#at];
      if (next === "=") {
        const line = this.#line();
        this.#at += 1;
        this.#skip();
        return { keys, value: this.#value(), line };
      }
      if (next === "{") return { keys, value: this.#object(), line: 0 };
      keys.push(this.#key());
    }
  }

  #key(): string {
    const quoted = this.#take(string);
    if (quoted !== undefined) return unquote(quoted);
    const name = this.#take(identifier);
    if (name !== undefined) return name;
    throw this.#fault(
      `illegal character or key expected, got ${this.#shown()}`,
    );
  }

  #value(): HclValue {
    const next = this.#text[this.#at];
    if (next === "{") return this.#object();
    if (next === "[") return this.#list();
    const quoted = this.#take(string);
    if (quoted !== undefined) return unquote(quoted);
    const digits = this.#take(number);
    if (digits !== undefined) return Number(digits);
    const word = this.#take(identifier);
    if (word === "true" || word === "false") return word === "true";
    throw this.#fault(
      `Unknown token: ${word === undefined ? this.#shown() : quote(word)}`,
    );
  }

  #list(): HclValue[] {
    const values: HclValue[] = [];
    this.#at += 1;
    this.#skip();
    while (this.#text[this.#at] !== "]") {
      values.push(this.#value());
      this.#skip();
      const next = this.#text[this.#at];
      if (next === ",") {
        this.#at += 1;
        this.#skip();
      } else if (next !== "]")
        throw this.#fault(
          `error parsing list, expected comma or list end, got: ${this.#shown()}`,
        );
    }
    this.#at += 1;
    return values;
  }

  #object(): HclObject {
    const items: HclItem[] = [];
    this.#at += 1;
    this.#skip();
    while (this.#text[this.#at] !== "}") {
      if (this.#at >= this.#text.length)
        throw this.#fault("object expected closing RBRACE got: EOF");
      items.push(this.#item());
      this.#comma();
    }
    this.#at += 1;
    return { items };
  }

  #comma(): void {
    this.#skip();
    if (this.#text[this.#at] === ",") {
      this.#at += 1;
      this.#skip();
    }
  }

  #skip(): void {
    this.#take(blank);
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #line(): number {
    return this.#text.slice(0, this.#at).split("\n").length;
  }

  #shown(): string {
    const next = this.#text[this.#at];
    return next === undefined ? "EOF" : quote(next);
  }

  #fault(message: string): Error {
    const before = this.#text.slice(0, this.#at);
    const column = this.#at - before.lastIndexOf("\n");
    return new Error(`At ${this.#line()}:${column}: ${message}`);
  }
}

function unquote(text: string): string {
  return text
    .slice(1, -1)
    .replaceAll(/\\(u[\da-fA-F]{4}|.)/g, (_, escape: string) => {
      if (escape.startsWith("u"))
        return String.fromCodePoint(Number.parseInt(escape.slice(1), 16));
      return { n: "\n", t: "\t", r: "\r" }[escape] ?? escape;
    });
}
