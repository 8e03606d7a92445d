// Which starts are new: the one place where the event stream and the list are held against each other. Pure bookkeeping
// in Docker's clock; whoever calls it does the asking and the telling.
//
// An event names its start exactly (`timeNano`). The list has only words such as "Up 12 seconds", so a start it shows is
// an interval. A container that runs in the list is a NEW start when
//   - it was not known, or its end was seen and it may have started since; or
//   - the whole interval lies after the start that is known: it was restarted and nobody said so; or
//   - it may have been restarted while no stream was watching, and the words are too coarse to tell ("About a minute").
//     One notice too many is answered with 409; one too few is a container without its secrets.
// Otherwise it is the start that is known already.

import type { ContainerEvent, RunningContainer } from "./docker-answers.ts";

interface Known {
  /** The start lies between these, in milliseconds of Docker's clock. Equal when an event named it. */
  from: number;
  to: number;
  /** The event's own stamp; absent while only the list has shown this start. */
  stamp?: string;
  /** When its end was announced. */
  died?: number;
  /** Until when it is certain that there was no start after this one. */
  certain: number;
  /** Whether an event announced it, or it was counted as one that none announced. */
  counted: boolean;
}

/** When and under which conditions a list was made. Times in milliseconds of Docker's clock. */
export interface ListConditions {
  /** When the answer was finished, to the second below. */
  readonly time: number;
  /** How long the answer took. */
  readonly took: number;
  /** Since when the event stream has stood; absent while it doesn't. */
  readonly streamSince?: number;
}

/** What a list told that was not known. */
export interface ListFindings {
  readonly started: readonly RunningContainer[];
  /** Starts that an earlier list showed, that fell into the stream's time, and that no event has announced until now. */
  readonly unannounced: number;
}

/** How long an ended container is remembered: longer than any event can be replayed (watch.ts asks for a minute). */
const REMEMBER = 10 * 60_000;
/** An event is stamped after the start it tells of: by this much at most, where the list has shown the start first. */
const STAMP_LAG = 3000;
/** Words this exact tell a start from the next one. */
const EXACT = 3000;
/** Far more than a host runs; beyond it the oldest are forgotten, and a list would show them as new. */
const MOST = 50_000;

export class Starts {
  readonly #known = new Map<string, Known>();
  #firstStream: number | undefined;

  /** How many containers are remembered. */
  get size(): number {
    return this.#known.size;
  }

  /** Takes a `start` event; whether it tells of a start that was not known. */
  event(event: ContainerEvent): boolean {
    const known = this.#known.get(event.id);
    if (known === undefined || isLater(event, known)) {
      this.#remember(event.id, {
        from: event.time,
        to: event.time,
        stamp: event.stamp,
        certain: event.time,
        counted: true,
      });
      return true;
    }
    if (known.stamp === undefined && event.time >= known.from) {
      known.from = event.time;
      known.to = event.time;
      known.stamp = event.stamp;
      known.counted = true;
    }
    return false;
  }

  /** Takes a `die` event; whether it ends the start that is known, and not one before it. */
  died(event: ContainerEvent): boolean {
    const known = this.#known.get(event.id);
    if (
      known === undefined ||
      known.died !== undefined ||
      event.time < known.from
    ) {
      return false;
    }
    known.died = event.time;
    return true;
  }

  /** Takes a whole list of what runs. */
  list(
    running: readonly RunningContainer[],
    conditions: ListConditions,
  ): ListFindings {
    this.#firstStream ??= conditions.streamSince;
    const started: RunningContainer[] = [];
    const shown = new Set<string>();
    let unannounced = 0;
    for (const container of running) {
      shown.add(container.id);
      const interval = intervalOf(container, conditions);
      const known = this.#known.get(container.id);
      if (known === undefined || isNewer(interval, known, conditions)) {
        this.#remember(container.id, {
          ...interval,
          certain: conditions.time - conditions.took,
          counted: interval.from < (this.#firstStream ?? Infinity),
        });
        started.push(container);
        continue;
      }
      if (!known.counted) {
        known.counted = true;
        unannounced += 1;
      }
      known.certain = Math.max(
        known.certain,
        conditions.time - conditions.took,
      );
    }
    this.#forget(shown, conditions.time - conditions.took);
    return { started, unannounced };
  }

  #remember(id: string, known: Known): void {
    this.#known.delete(id);
    this.#known.set(id, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MOST && oldest !== undefined) {
      this.#known.delete(oldest);
    }
  }

  #forget(shown: ReadonlySet<string>, asked: number): void {
    for (const [id, known] of this.#known) {
      const last = Math.max(known.to, known.died ?? 0, known.certain);
      if (!shown.has(id) && last < asked - REMEMBER) {
        this.#known.delete(id);
      }
    }
  }
}

/** Whether a `start` event tells of a later start than the known one. */
function isLater(event: ContainerEvent, known: Known): boolean {
  if (known.stamp === event.stamp) {
    return false;
  }
  if (known.died !== undefined) {
    return event.time > known.died;
  }
  return known.stamp === undefined
    ? event.time > known.to + STAMP_LAG
    : event.time > known.to;
}

interface Interval {
  readonly from: number;
  readonly to: number;
}

function intervalOf(
  container: RunningContainer,
  { time, took }: ListConditions,
): Interval {
  const { min, max } = container.uptime ?? { min: 0, max: Infinity };
  // Docker's Date header is cut to the second, and the words were found at some moment while it answered.
  return { from: time - took - max, to: time + 1000 - min };
}

function isNewer(
  shown: Interval,
  known: Known,
  { streamSince }: ListConditions,
): boolean {
  if (known.died !== undefined) {
    return shown.to >= known.died;
  }
  if (shown.from >= known.to) {
    return true;
  }
  const certain =
    shown.to <= known.certain ||
    shown.to - shown.from <= EXACT ||
    shown.from === -Infinity ||
    (streamSince !== undefined && streamSince <= known.certain);
  return !certain && shown.to > known.to;
}
