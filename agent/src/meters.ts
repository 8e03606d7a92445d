// What is counted, as one closed table, and its text in the format of Prometheus
// (https://prometheus.io/docs/instrumenting/exposition_formats/). Gauges are read when somebody asks.

interface Definition {
  readonly help: string;
  readonly label?: string;
  /** Values of the label that are shown from the start, for alarms on their rate. */
  readonly values?: readonly string[];
}

/** Every counter: what it counts, and what its one label tells apart. */
export const counters = {
  starts: {
    help: "Container starts that were new, by what told of them first.",
    label: "by",
    values: ["event", "list"],
  },
  unannounced: { help: "Starts that a list found and no event announced." },
  skipped: {
    help: "Starts that are left alone, by reason.",
    label: "reason",
  },
  notices: { help: "Notices that ended, by outcome.", label: "outcome" },
  attempts: { help: "Requests to a broker, by what came of it.", label: "as" },
  farewells: {
    help: "Hints to a broker that a container has ended, by what came of them.",
    label: "as",
  },
  dropped: {
    help: "Notices that were given up without an outcome, by reason.",
    label: "reason",
    values: ["too_old", "overflow"],
  },
  stream_connects: { help: "Event streams that were opened." },
  stream_failures: { help: "Event streams that could not be opened or broke." },
  lists: {
    help: "Lists of running containers, by result.",
    label: "result",
    values: ["ok", "failed"],
  },
  unreadable: {
    help: "Events and elements of lists that could not be read.",
  },
} as const satisfies Record<string, Definition>;

export type Counter = keyof typeof counters;

/** A value that goes up and down; undefined leaves its line out. */
export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly read: () => number | undefined;
}

const PREFIX = "vaultbuddy_agent_";
/** Values of labels are words of ours and codes of errors; no stranger may grow the table. */
const MOST_VALUES = 100;

export class Meters {
  readonly #values = new Map<Counter, Map<string, number>>(
    (Object.keys(counters) as Counter[]).map((name) => [name, zeros(name)]),
  );

  /** Adds to a counter; `value` is what its label says. */
  count(name: Counter, value = "", by = 1): void {
    const values = this.#values.get(name);
    if (values !== undefined) {
      const known = values.has(value) || values.size < MOST_VALUES;
      const key = known ? value : "other";
      values.set(key, (values.get(key) ?? 0) + by);
    }
  }

  /** What a counter stands at, all values of its label together unless one is named. */
  total(name: Counter, value?: string): number {
    const values = this.#values.get(name) ?? new Map<string, number>();
    return value === undefined
      ? [...values.values()].reduce((sum, one) => sum + one, 0)
      : (values.get(value) ?? 0);
  }

  /** All counters and the given gauges. */
  text(gauges: readonly Gauge[]): string {
    const lines: string[] = [];
    for (const [name, values] of this.#values) {
      const full = `${PREFIX}${name}_total`;
      const { help } = counters[name];
      lines.push(`# HELP ${full} ${help}`, `# TYPE ${full} counter`);
      for (const [value, count] of values) {
        lines.push(`${full}${labelOf(name, value)} ${count}`);
      }
    }
    for (const gauge of gauges) {
      const value = gauge.read();
      const full = `${PREFIX}${gauge.name}`;
      lines.push(`# HELP ${full} ${gauge.help}`, `# TYPE ${full} gauge`);
      if (value !== undefined) {
        lines.push(`${full} ${value}`);
      }
    }
    return `${lines.join("\n")}\n`;
  }
}

function zeros(name: Counter): Map<string, number> {
  const { label, values }: Definition = counters[name];
  const shown = label === undefined ? [""] : (values ?? []);
  return new Map(shown.map((value) => [value, 0]));
}

function labelOf(name: Counter, value: string): string {
  const counter: Definition = counters[name];
  // Our words and codes need no escaping; anything else would be a fault of ours, and is made harmless.
  return counter.label === undefined
    ? ""
    : `{${counter.label}="${value.replace(/[^\w.-]/g, "_")}"}`;
}
