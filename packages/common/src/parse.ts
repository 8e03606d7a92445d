// The door for everything that comes from a network, a file or an environment: unknown in, typed value or ShapeError
// out. An error names the place and what was expected there and never what was found, because that may be a secret.

/** A value did not have the shape it must have. `at` is a path such as `aud.taskArn`. */
export class ShapeError extends Error {
  override readonly name = "ShapeError";
  readonly at: string;

  constructor(at: string, expected: string) {
    super(`${at === "" ? "the document" : at}: ${expected}`);
    this.at = at;
  }
}

/** Decodes UTF-8 JSON of at most `max` bytes. Throws {@link ShapeError} for anything else. */
export function parseJson(bytes: Uint8Array, max: number): unknown {
  if (bytes.length > max) {
    throw new ShapeError("", `must be at most ${max} bytes`);
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    // Neither decoder's message is passed on: both quote the text.
    throw new ShapeError("", "must be JSON in UTF-8");
  }
}

/** Limits of a text field. */
export interface TextRule {
  readonly max?: number;
  readonly pattern?: RegExp;
  /** What the pattern asks for, in words. */
  readonly form?: string;
}

/** One JSON object that is being read: each field is taken by name once, and {@link Fields.done} refuses the rest. */
export class Fields {
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #taken = new Set<string>();
  readonly #at: string;

  constructor(value: unknown, at = "") {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ShapeError(at, "must be an object");
    }
    this.#values = new Map(Object.entries(value));
    this.#at = at;
  }

  /** Where a field stands, for messages. */
  place(name: string): string {
    return this.#at === "" ? name : `${this.#at}.${name}`;
  }

  has(name: string): boolean {
    return this.#values.get(name) !== undefined;
  }

  /** The raw value of a field; undefined when absent. */
  take(name: string): unknown {
    this.#taken.add(name);
    return this.#values.get(name);
  }

  text(name: string, rule: TextRule = {}): string {
    return text(this.take(name), this.place(name), rule);
  }

  optionalText(name: string, rule: TextRule = {}): string | undefined {
    return this.has(name) ? this.text(name, rule) : this.#absent(name);
  }

  /** A field that must be there and may be null. */
  nullableText(name: string, rule: TextRule = {}): string | null {
    const value = this.take(name);
    return value === null ? null : text(value, this.place(name), rule);
  }

  integer(name: string, min: number, max: number): number {
    const value = this.take(name);
    if (
      typeof value !== "number" ||
      !Number.isSafeInteger(value) ||
      value < min ||
      value > max
    ) {
      throw new ShapeError(
        this.place(name),
        `must be a whole number from ${min} to ${max}`,
      );
    }
    return value;
  }

  optionalInteger(name: string, min: number, max: number): number | undefined {
    return this.has(name) ? this.integer(name, min, max) : this.#absent(name);
  }

  boolean(name: string): boolean {
    const value = this.take(name);
    if (typeof value !== "boolean") {
      throw new ShapeError(this.place(name), "must be true or false");
    }
    return value;
  }

  optionalBoolean(name: string): boolean | undefined {
    return this.has(name) ? this.boolean(name) : this.#absent(name);
  }

  /** One of a closed list of words. */
  oneOf<const Word extends string>(name: string, words: readonly Word[]): Word {
    const value = this.take(name);
    const found = words.find((word) => word === value);
    if (found === undefined) {
      throw new ShapeError(
        this.place(name),
        `must be one of ${words.join(", ")}`,
      );
    }
    return found;
  }

  object(name: string): Fields {
    return new Fields(this.take(name), this.place(name));
  }

  optionalObject(name: string): Fields | undefined {
    return this.has(name) ? this.object(name) : this.#absent(name);
  }

  /** An array, each element read by `read` with its own place. */
  list<Item>(
    name: string,
    max: number,
    read: (value: unknown, at: string) => Item,
  ): Item[] {
    const value = this.take(name);
    if (!Array.isArray(value) || value.length > max) {
      throw new ShapeError(
        this.place(name),
        `must be a list of at most ${max}`,
      );
    }
    return value.map((item, index) =>
      read(item, `${this.place(name)}[${index}]`),
    );
  }

  /** An object used as a table from name to text. */
  table(
    name: string,
    max: number,
    key: TextRule,
    entry: TextRule,
  ): ReadonlyMap<string, string> {
    const value = this.take(name);
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ShapeError(this.place(name), "must be an object");
    }
    const entries = Object.entries(value);
    if (entries.length > max) {
      throw new ShapeError(
        this.place(name),
        `must have at most ${max} entries`,
      );
    }
    return new Map(
      entries.map(([k, v]) => [
        text(k, `${this.place(name)}: each name`, key),
        text(v, `${this.place(name)}.${k}`, entry),
      ]),
    );
  }

  /** Refuses every field that was not asked for. To be called last. */
  done(): void {
    for (const name of this.#values.keys()) {
      if (!this.#taken.has(name)) {
        // The name is the sender's own text, so only a plain one is repeated.
        const shown = /^[\w.-]{1,40}$/.test(name) ? name : "(unprintable)";
        throw new ShapeError(this.place(shown), "is not a known field");
      }
    }
  }

  #absent(name: string): undefined {
    this.#taken.add(name);
    return undefined;
  }
}

/** A string within its rule. Throws {@link ShapeError} naming `at`. */
export function text(value: unknown, at: string, rule: TextRule = {}): string {
  const max = rule.max ?? 4096;
  if (typeof value !== "string") {
    throw new ShapeError(at, "must be text");
  }
  if (value.length === 0 || value.length > max) {
    throw new ShapeError(at, `must be text of 1 to ${max} characters`);
  }
  if (rule.pattern !== undefined && !rule.pattern.test(value)) {
    throw new ShapeError(at, `must be ${rule.form ?? "well formed"}`);
  }
  return value;
}
