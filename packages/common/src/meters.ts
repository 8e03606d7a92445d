// What a daemon counts, as one closed table, and its text in the format of Prometheus
// (https://prometheus.io/docs/instrumenting/exposition_formats/). Gauges are read when somebody asks.

/** One counter. */
export interface CounterDefinition {
  readonly help: string;
  /** The name of its one label, which tells its values apart. */
  readonly label?: string;
  /** Values of the label that are shown from the start, for alarms on their rate. */
  readonly values?: readonly string[];
}

/** A value that goes up and down; undefined leaves its line out. */
export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly read: () => number | undefined;
}

/** Values of labels are words of ours and codes of errors; no stranger may grow the table. */
const MOST_VALUES = 100;

/** The counters of one daemon. */
export class Meters<Name extends string> {
  readonly #prefix: string;
  readonly #counters: Readonly<Record<Name, CounterDefinition>>;
  readonly #values = new Map<Name, Map<string, number>>();

  /** `prefix` stands before every name, such as `vaultbuddy_agent_`. */
  constructor(
    prefix: string,
    counters: Readonly<Record<Name, CounterDefinition>>,
  ) {
    this.#prefix = prefix;
    this.#counters = counters;
    for (const name of Object.keys(counters) as Name[]) {
      const { label, values = [] } = counters[name];
      const shown = label === undefined ? [""] : values;
      this.#values.set(name, new Map(shown.map((value) => [value, 0])));
    }
  }

  /** Adds to a counter; `value` is what its label says. */
  count(name: Name, value = "", by = 1): void {
    const values = this.#values.get(name);
    if (values !== undefined) {
      const known = values.has(value) || values.size < MOST_VALUES;
      const key = known ? value : "other";
      values.set(key, (values.get(key) ?? 0) + by);
    }
  }

  /** What a counter stands at, all values of its label together unless one is named. */
  total(name: Name, value?: string): number {
    const values = this.#values.get(name) ?? new Map<string, number>();
    return value === undefined
      ? [...values.values()].reduce((sum, one) => sum + one, 0)
      : (values.get(value) ?? 0);
  }

  /** All counters and the given gauges. */
  text(gauges: readonly Gauge[]): string {
    const lines: string[] = [];
    for (const [name, values] of this.#values) {
      const full = `${this.#prefix}${name}_total`;
      const { help, label } = this.#counters[name];
      lines.push(`# HELP ${full} ${help}`, `# TYPE ${full} counter`);
      for (const [value, count] of values) {
        lines.push(`${full}${labelled(label, value)} ${count}`);
      }
    }
    for (const gauge of gauges) {
      const value = gauge.read();
      const full = `${this.#prefix}${gauge.name}`;
      lines.push(`# HELP ${full} ${gauge.help}`, `# TYPE ${full} gauge`);
      if (value !== undefined) {
        lines.push(`${full} ${value}`);
      }
    }
    return `${lines.join("\n")}\n`;
  }
}

/** Our words and codes need no escaping; anything else would be a fault of ours, and is made harmless. */
function labelled(label: string | undefined, value: string): string {
  return label === undefined
    ? ""
    : `{${label}="${value.replace(/[^\w.-]/g, "_")}"}`;
}
