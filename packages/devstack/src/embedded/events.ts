// The engine's events, as Docker keeps them: the last 256 in a ring that `since` replays, and a buffer of 1,024 for each
// listener, behind which a listener that doesn't read loses events without a word.

import { Filters, fuzzy } from "./filters.ts";
import type { Instants, Nano } from "./instant.ts";

const ringSize = 256;
const mostWaiting = 1_024;

/** What happened. Attributes of a container are its labels, its `image` and its `name`. */
export interface Happening {
  readonly type: "container" | "image" | "network" | "volume";
  readonly action: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
}

interface Kept extends Happening {
  readonly at: Nano;
  readonly line: string;
}

/** Where a listener's lines go; `ready` false means that it has to wait for `drained`. */
export interface Sink {
  write(line: string): boolean;
}

/** A listener. Lines that wait for its reader are kept up to Docker's own number, then dropped. */
export class Subscription {
  readonly #sink: Sink;
  #waiting: string[] = [];
  #blocked = false;
  dropped = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  take(line: string): void {
    if (!this.#blocked) this.#blocked = !this.#sink.write(line);
    else if (this.#waiting.length < mostWaiting) this.#waiting.push(line);
    else this.dropped += 1;
  }

  drained(): void {
    this.#blocked = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const line of waiting) this.take(line);
  }
}

export class Events {
  readonly #instants: Instants;
  readonly #ring: Kept[] = [];
  readonly #listeners = new Map<Subscription, Filters>();

  constructor(instants: Instants) {
    this.#instants = instants;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  emit(happening: Happening): void {
    const at = this.#instants.now();
    const kept = { ...happening, at, line: lineOf(happening, at) };
    this.#ring.push(kept);
    if (this.#ring.length > ringSize) this.#ring.shift();
    for (const [listener, filters] of this.#listeners)
      if (passes(filters, kept)) listener.take(kept.line);
  }

  /** What the ring still has of a span, oldest first; both ends are in it. */
  replay(
    filters: Filters,
    since: Nano | undefined,
    until: Nano | undefined,
  ): string[] {
    if (since === undefined && until === undefined) return [];
    return this.#ring
      .filter(
        (one) =>
          (since === undefined || one.at >= since) &&
          (until === undefined || one.at <= until) &&
          passes(filters, one),
      )
      .map(({ line }) => line);
  }

  subscribe(listener: Subscription, filters: Filters): void {
    this.#listeners.set(listener, filters);
  }

  unsubscribe(listener: Subscription): void {
    this.#listeners.delete(listener);
  }
}

/** One event as a line of the stream. `timeNano` is put in as digits: no JavaScript number holds it. */
function lineOf({ type, action, id, attributes }: Happening, at: Nano): string {
  const sorted = Object.fromEntries(
    Object.entries(attributes).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
  // `status`, `id` and `from` are older names that API 1.41 still has beside the others.
  const legacy =
    type === "container"
      ? { status: action, id, from: attributes["image"] ?? "" }
      : type === "image"
        ? { status: action, id }
        : {};
  const text = JSON.stringify({
    ...legacy,
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: sorted },
    scope: "local",
    time: Number(at / 1_000_000_000n),
  });
  return `${text.slice(0, -1)},"timeNano":${at}}\n`;
}

function passes(filters: Filters, event: Happening): boolean {
  const { type, id, attributes, action } = event;
  return (
    filters.any("type", (wanted) => wanted === type) &&
    matchesAction(filters, action) &&
    filters.any("scope", (wanted) => wanted === "local") &&
    named(filters, "container", event) &&
    named(filters, "network", event) &&
    named(filters, "volume", event) &&
    matchesImage(filters, event) &&
    filters.any("daemon", (wanted) => wanted === id) &&
    filters.labels(attributes)
  );
}

/** `exec_create`, `exec_start` and `health_status` carry more behind a colon and are named without it (moby #25798). */
function matchesAction(filters: Filters, action: string): boolean {
  const wanted = filters.of("event");
  const loose = wanted.some((one) =>
    ["health_status", "exec_create", "exec_start"].includes(one),
  );
  return filters.any(
    "event",
    (one) => one === action || (loose && action.startsWith(one)),
  );
}

function named(
  filters: Filters,
  type: "container" | "network" | "volume",
  event: Happening,
): boolean {
  return filters.any(
    type,
    (wanted) =>
      event.type === type &&
      (event.id.startsWith(wanted) ||
        fuzzy(wanted, event.attributes["name"] ?? "")),
  );
}

function matchesImage(filters: Filters, event: Happening): boolean {
  const name =
    event.attributes[event.type === "image" ? "name" : "image"] ?? "";
  return filters.any(
    "image",
    (wanted) =>
      wanted === event.id || wanted === name || wanted === name.split(":")[0],
  );
}
