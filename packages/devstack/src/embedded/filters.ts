// The `filters` of a list and of the event stream: a JSON map of a name to the values it may have, in both forms that
// clients send (`{"label":["a"]}` and the older `{"label":{"a":true}}`).

import { ApiFault } from "./fault.ts";

export class Filters {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  /** From the query's text. With `known`, another name is refused, as the lists do; the event stream ignores it. */
  static parse(text: string | null, known?: readonly string[]): Filters {
    const values = new Map<string, string[]>();
    for (const [name, value] of Object.entries(parseObject(text))) {
      if (known !== undefined && !known.includes(name))
        throw new ApiFault(400, `Invalid filter '${name.slice(0, 100)}'`);
      values.set(name, valuesOf(value));
    }
    return new Filters(values);
  }

  of(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** Nothing is asked of this name, or one of the values is accepted. */
  any(name: string, accepts: (wanted: string) => boolean): boolean {
    const wanted = this.of(name);
    return wanted.length === 0 || wanted.some(accepts);
  }

  /** All the labels asked for are there: `name`, or `name=value`. */
  labels(has: Readonly<Record<string, string>>, name = "label"): boolean {
    return this.of(name).every((wanted) => {
      const cut = wanted.indexOf("=");
      return cut === -1
        ? Object.hasOwn(has, wanted)
        : has[wanted.slice(0, cut)] === wanted.slice(cut + 1);
    });
  }
}

/** How Docker compares names and ids: equal, the beginning, or a match as a pattern. */
export function fuzzy(wanted: string, candidate: string): boolean {
  if (candidate.startsWith(wanted)) return true;
  try {
    return new RegExp(wanted).test(candidate);
  } catch {
    return false;
  }
}

function parseObject(text: string | null): object {
  if (text === null || text === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value;
  } catch {
    // Told below, like every other text that is no map.
  }
  throw new ApiFault(500, "invalid filters: a JSON map is wanted");
}

function valuesOf(value: unknown): string[] {
  const list: unknown[] = Array.isArray(value)
    ? value
    : Object.entries(typeof value === "object" && value !== null ? value : {})
        .filter(([, on]) => on === true)
        .map(([key]) => key);
  return list.filter((one) => typeof one === "string");
}
