// The notices under way: at most so many, at most so many of them with a broker at once, and none for longer than it can
// matter. Each is one ticket with its own end, so that thousands can wait out an absent broker without holding a place
// among those that are being answered.

import type { Clock } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import type { Meters } from "./meters.ts";

/** What a notice under way knows about its own end. */
export interface Ticket {
  /** Aborts when the notice is given up. */
  readonly signal: AbortSignal;
  /** Aborts when trying AGAIN has no use, because the container has ended: the first try is still due. */
  readonly rest: AbortSignal;
  /** Waits for a place among those that are asking, in order. The place is given back by calling what comes. */
  place(): Promise<() => void>;
}

export interface QueueDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly meters: Meters;
}

/** Bounds. Times in milliseconds. */
export interface QueueLimits {
  /** How many notices may be under way. */
  readonly capacity: number;
  /** How many of them may be with a broker. */
  readonly asking: number;
  /** How long after a container's start a notice still matters. */
  readonly life: number;
  /** How long a notice is tried at least, however long ago the container started. */
  readonly leastLife: number;
}

/** The bounds of a real agent. The broker keeps trying for a task that is not RUNNING yet for ten minutes at most. */
export const limits: QueueLimits = {
  capacity: 10_000,
  asking: 256,
  life: 10 * 60_000,
  leastLife: 2 * 60_000,
};

/** Why a notice was given up. */
export class GivenUp extends Error {
  override readonly name = "GivenUp";
  readonly ours = true;
  readonly why: "overflow" | "too_old" | "stopped";

  constructor(why: "overflow" | "too_old" | "stopped") {
    super(`the notice was given up (${why})`);
    this.why = why;
  }
}

interface Entry {
  readonly id: string;
  /** When the notice is too old to matter, by the monotonic clock. */
  readonly until: number;
  readonly end: AbortController;
  readonly rest: AbortController;
}

/** How often it is looked for notices that have grown too old: one timer for all. */
const SWEEP = 1000;

export class NoticeQueue {
  readonly #deps: QueueDeps;
  readonly #limits: QueueLimits;
  /** In order of arrival. */
  readonly #entries = new Set<Entry>();
  readonly #byContainer = new Map<string, Entry>();
  readonly #waiting = new Set<() => void>();
  #asking = 0;
  #sweeping: AbortController | undefined;

  constructor(deps: QueueDeps, bounds: QueueLimits) {
    this.#deps = deps;
    this.#limits = bounds;
  }

  /** How many notices are under way. */
  get size(): number {
    return this.#entries.size;
  }

  /** How many are with a broker. */
  get asking(): number {
    return this.#asking;
  }

  /**
   * Starts a notice for a container that started `age` milliseconds ago. When the queue is full, the oldest notice gives
   * way: its container has waited longest, and is the likeliest to have given up.
   */
  offer(id: string, age: number, run: (ticket: Ticket) => Promise<void>): void {
    // A new start of the same container: the earlier one needs no more tries.
    this.ended(id);
    const [oldest] = this.#entries;
    if (oldest !== undefined && this.#entries.size >= this.#limits.capacity) {
      this.#giveUp(oldest, "overflow");
    }
    const { life, leastLife } = this.#limits;
    const entry: Entry = {
      id,
      until: this.#deps.clock.monotonic() + Math.max(life - age, leastLife),
      end: new AbortController(),
      rest: new AbortController(),
    };
    this.#entries.add(entry);
    this.#byContainer.set(id, entry);
    if (this.#sweeping === undefined) {
      this.#sweeping = new AbortController();
      void this.#sweep(this.#sweeping.signal);
    }
    void this.#run(entry, run);
  }

  /** The container has ended: its notice is not tried again. */
  ended(id: string): void {
    this.#byContainer.get(id)?.rest.abort(new Error("the container ended"));
  }

  /** Gives all up at once, for the end of the process. */
  stop(): void {
    for (const entry of this.#entries) {
      this.#giveUp(entry, "stopped");
    }
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    while (!signal.aborted) {
      await clock.sleep(SWEEP, signal).catch(() => undefined);
      const now = clock.monotonic();
      for (const entry of this.#entries) {
        if (entry.until <= now) {
          this.#giveUp(entry, "too_old");
        }
      }
    }
  }

  async #run(
    entry: Entry,
    run: (ticket: Ticket) => Promise<void>,
  ): Promise<void> {
    const { log, meters } = this.#deps;
    try {
      await run({
        signal: entry.end.signal,
        rest: entry.rest.signal,
        place: () => this.#place(entry.end.signal),
      });
    } catch (error) {
      const reason: unknown = entry.end.signal.reason;
      const why = reason instanceof GivenUp ? reason.why : "failed";
      meters.count("dropped", why);
      if (why === "failed") {
        log.error({ containerId: entry.id, err: error }, "a notice failed");
      } else if (why !== "stopped") {
        log.warn({ containerId: entry.id, why }, "a notice was dropped");
      }
    } finally {
      this.#remove(entry);
    }
  }

  #giveUp(entry: Entry, why: GivenUp["why"]): void {
    this.#remove(entry);
    const reason = new GivenUp(why);
    entry.end.abort(reason);
    entry.rest.abort(reason);
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry);
    if (this.#byContainer.get(entry.id) === entry) {
      this.#byContainer.delete(entry.id);
    }
    if (this.#entries.size === 0) {
      this.#sweeping?.abort();
      this.#sweeping = undefined;
    }
  }

  async #place(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#asking >= this.#limits.asking) {
      await this.#turn(signal);
    } else {
      this.#asking += 1;
    }
    let given = false;
    return () => {
      if (!given) {
        given = true;
        this.#pass();
      }
    };
  }

  /** Resolves when a place is handed over, counted already. */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(enter);
        reject(signal.reason as Error);
      };
      const enter = (): void => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.add(enter);
    });
  }

  #pass(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#asking -= 1;
    } else {
      this.#waiting.delete(next);
      next();
    }
  }
}
