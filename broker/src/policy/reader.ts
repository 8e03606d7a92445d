// Reads one object of a policy document and, unlike the readers of the wire, does not stop at the first fault: whoever
// writes a policy wants to hear of all of them at once, each with its place.

import { duration, ShapeError, text } from "@vaultbuddy/common";
import type { TextRule } from "@vaultbuddy/common";

/** One JSON object of the document. A reader of a field gives undefined for an absent field and for a faulty one. */
export class Reader {
  readonly at: string;
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #faults: string[];
  readonly #known = new Set<string>();

  private constructor(
    at: string,
    values: ReadonlyMap<string, unknown>,
    faults: string[],
  ) {
    this.at = at;
    this.#values = values;
    this.#faults = faults;
  }

  /** Opens an object; undefined, and a fault, when it is none. */
  static open(
    value: unknown,
    at: string,
    faults: string[],
  ): Reader | undefined {
    const entries = entriesOf(value);
    if (entries === undefined) {
      faults.push(`${at === "" ? "the document" : at}: must be an object`);
      return undefined;
    }
    return new Reader(at, new Map(entries), faults);
  }

  /** Notes a fault of a field. */
  fault(name: string, what: string): undefined {
    this.#faults.push(`${this.#place(name)}: ${what}`);
    return undefined;
  }

  /** The names of all fields, in the document's order. */
  get names(): readonly string[] {
    return [...this.#values.keys()];
  }

  /** Whether the field stands in the document, faulty or not. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Refuses a field that is known and not taken, with the reason. */
  refuse(name: string, why: string): void {
    this.#known.add(name);
    if (this.has(name)) {
      this.fault(name, why);
    }
  }

  object(name: string): Reader | undefined {
    return this.#read(name, (value, at) =>
      Reader.open(value, at, this.#faults),
    );
  }

  text(name: string, rule: TextRule): string | undefined {
    return this.#read(name, (value, at) => text(value, at, rule));
  }

  boolean(name: string): boolean | undefined {
    return this.#read(name, (value, at) => {
      if (typeof value !== "boolean") {
        throw new ShapeError(at, "must be true or false");
      }
      return value;
    });
  }

  oneOf<const Word extends string>(
    name: string,
    words: readonly Word[],
  ): Word | undefined {
    return this.#read(name, (value, at) => wordOf(value, at, words));
  }

  integer(name: string, min: number, max: number): number | undefined {
    return this.#read(name, (value, at) => wholeNumber(value, at, min, max));
  }

  /** A whole number of seconds, or a duration such as `90s`, `2m`, `1h`; in seconds. */
  seconds(name: string, min: number, max: number): number | undefined {
    return this.#read(name, (value, at) => {
      const seconds =
        typeof value === "string" ? secondsOf(value, at) : Number(value);
      if (
        (typeof value !== "number" && typeof value !== "string") ||
        !Number.isSafeInteger(seconds) ||
        seconds < min ||
        seconds > max
      ) {
        throw new ShapeError(
          at,
          `must be ${min} to ${max} whole seconds, as a number or as a duration such as 90s or 2m`,
        );
      }
      return seconds;
    });
  }

  /** A list without repetitions, of one element at least; `single` also allows the element alone. */
  list<Item>(
    name: string,
    max: number,
    read: (value: unknown, at: string) => Item,
    single: "single" | "list" = "list",
  ): readonly Item[] | undefined {
    return this.#read(name, (value, at) => {
      if (single === "single" && typeof value === "string") {
        return [read(value, at)];
      }
      if (!Array.isArray(value) || value.length === 0 || value.length > max) {
        throw new ShapeError(at, `must be a list of 1 to ${max} entries`);
      }
      const items: Item[] = [];
      value.forEach((entry: unknown, index) => {
        this.#attempt(() => {
          const place = `${at}[${index}]`;
          if (value.indexOf(entry) !== index) {
            throw new ShapeError(place, "stands in the list twice");
          }
          items.push(read(entry, place));
        });
      });
      return items;
    });
  }

  /** An object used as a table from name to text. */
  table(
    name: string,
    max: number,
    key: TextRule,
    entry: TextRule,
  ): ReadonlyMap<string, string> | undefined {
    return this.#read(name, (value, at) => {
      const entries = entriesOf(value);
      if (entries === undefined || entries.length > max) {
        throw new ShapeError(
          at,
          `must be an object of at most ${max} entries, from name to text`,
        );
      }
      const table = new Map<string, string>();
      for (const [label, content] of entries) {
        this.#attempt(() => {
          const place = `${at}.${label}`;
          text(label, `${place}: the name`, key);
          table.set(label, text(content, place, entry));
        });
      }
      return table;
    });
  }

  /** Notes every field nobody asked for. To be called last. */
  done(): void {
    for (const name of this.#values.keys()) {
      if (!this.#known.has(name)) {
        this.fault(
          name,
          `is not a known field (known are ${[...this.#known].join(", ")})`,
        );
      }
    }
  }

  #place(name: string): string {
    return this.at === "" ? name : `${this.at}.${name}`;
  }

  #read<Value>(
    name: string,
    read: (value: unknown, at: string) => Value,
  ): Value | undefined {
    this.#known.add(name);
    return this.#values.has(name)
      ? this.#attempt(() => read(this.#values.get(name), this.#place(name)))
      : undefined;
  }

  #attempt<Value>(read: () => Value): Value | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ShapeError)) {
        throw error;
      }
      this.#faults.push(error.message);
      return undefined;
    }
  }
}

function entriesOf(value: unknown): [string, unknown][] | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.entries(value)
    : undefined;
}

/** One of a closed list of words. Throws {@link ShapeError}. */
export function wordOf<const Word extends string>(
  value: unknown,
  at: string,
  words: readonly Word[],
): Word {
  const found = words.find((one) => one === value);
  if (found === undefined) {
    throw new ShapeError(at, `must be one of ${words.join(", ")}`);
  }
  return found;
}

function wholeNumber(
  value: unknown,
  at: string,
  min: number,
  max: number,
): number {
  if (
    typeof value !== "number" ||
    !Number.isSafeInteger(value) ||
    value < min ||
    value > max
  ) {
    throw new ShapeError(at, `must be a whole number from ${min} to ${max}`);
  }
  return value;
}

function secondsOf(written: string, at: string): number {
  try {
    return duration(written) / 1000;
  } catch {
    throw new ShapeError(at, "must be a duration such as 90s, 2m or 1h");
  }
}
