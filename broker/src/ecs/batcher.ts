// Many questions, few calls. Questions of one group (a cluster) share a call; one question is asked once however many
// wait for it; sources take turns; and every call is paid from a bucket like AWS's own. The first question after a
// quiet moment leaves almost at once, those that follow wait for the window to end.

import { pause, Refusal } from "@vaultbuddy/common";
import type { Clock } from "@vaultbuddy/common";
import type { Bucket } from "./bucket.ts";
import { Entry } from "./entry.ts";
import { FairQueue } from "./fair.ts";
import { AwsFault } from "./fault.ts";

/** One question. */
export interface Question {
  readonly group: string;
  readonly key: string;
  /** On whose behalf: the address of the caller, or the name of a part of the broker. */
  readonly source: string;
  /** How long it may wait for company, in milliseconds; 0 for a first question. */
  readonly patience: number;
  /** A question repeated only because the thing may yet appear: it is paid from the small bucket too. */
  readonly scarce?: boolean;
  readonly signal: AbortSignal;
}

/** How questions of one kind are asked. Times in milliseconds. */
export interface BatcherOptions<Value> {
  readonly clock: Clock;
  readonly bucket: Bucket;
  readonly scarceBucket?: Bucket;
  /** The most questions one call takes. */
  readonly most: number;
  /** Calls start at least this far apart unless one is full. */
  readonly window: number;
  /** The most calls under way at once. */
  readonly flights: number;
  /** Asks. A key that is not in the answer counts as not answered. Throws {@link AwsFault}. */
  readonly call: (
    group: string,
    keys: readonly string[],
  ) => Promise<ReadonlyMap<string, Value>>;
}

interface Lane<Value> {
  readonly queue: FairQueue<Entry<Value>>;
  /** When the next call of this lane is due, on the monotonic clock. */
  due: number;
}

/** How long a first question waits for others that come in the same breath. */
const BREATH = 2;
const MOST_PER_SOURCE = 2000;
const MOST_WAITING = 20_000;
const TRIES = 3;
const REST = { first: 100, most: 400 };

/** Collects questions into calls. */
export class Batcher<Value> {
  readonly #options: BatcherOptions<Value>;
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #asked: Lane<Value> = { queue: new FairQueue(), due: Infinity };
  readonly #scarce: Lane<Value> = { queue: new FairQueue(), due: Infinity };
  readonly #flights = new Set<Promise<void>>();
  #lastCall = -Infinity;
  #scarceTurn = false;
  #running = false;
  #bell: AbortController | undefined;
  #closed = false;

  constructor(options: BatcherOptions<Value>) {
    this.#options = options;
  }

  /** Asks, and resolves with the answer. Rejects with an AwsFault, a Refusal `rate_limited`, or the signal's reason. */
  async ask(question: Question): Promise<Value> {
    question.signal.throwIfAborted();
    const entry = this.#enter(question);
    const answer = entry.wait(question.signal, () => this.#forget(entry));
    this.#start();
    return await answer;
  }

  /** Rejects everyone who waits. Calls under way are the caller's to abort. */
  close(): void {
    this.#closed = true;
    for (const entry of this.#entries.values()) {
      entry.fail(new AwsFault("a lookup", "closed"));
    }
    this.#entries.clear();
    this.#bell?.abort();
  }

  #enter(question: Question): Entry<Value> {
    if (this.#closed) {
      throw new AwsFault("a lookup", "closed");
    }
    const { group, key, source, scarce = false, patience } = question;
    const known = this.#entries.get(idOf(question));
    if (known === undefined) {
      this.#refuseFlood(this.#lane(scarce), source);
    }
    const entry = known ?? new Entry<Value>(group, key);
    this.#entries.set(idOf(entry), entry);
    // Who asks for what another waits for stands in his own line too: he must not wait behind the other's flood.
    if (entry.join(source, scarce) && !entry.flying) {
      this.#push(this.#lane(scarce), source, entry, patience);
    }
    return entry;
  }

  #lane(scarce: boolean): Lane<Value> {
    return scarce ? this.#scarce : this.#asked;
  }

  #refuseFlood(lane: Lane<Value>, source: string): void {
    if (
      lane.queue.length(source) >= MOST_PER_SOURCE ||
      this.#entries.size >= MOST_WAITING
    ) {
      throw new Refusal(
        "rate_limited",
        "too many lookups in ECS are waiting: ask again later",
      );
    }
  }

  #push(
    lane: Lane<Value>,
    source: string,
    entry: Entry<Value>,
    patience: number,
  ): void {
    const now = this.#options.clock.monotonic();
    lane.queue.push(source, entry);
    const full = lane.queue.length(source) >= this.#options.most;
    const due = full
      ? now
      : Math.max(
          now + Math.max(patience, BREATH),
          this.#lastCall + this.#options.window,
        );
    if (due < lane.due) {
      lane.due = due;
      this.#bell?.abort();
    }
  }

  #start(): void {
    if (!this.#running) {
      this.#running = true;
      void this.#run();
    }
  }

  async #run(): Promise<void> {
    for (;;) {
      const wait = this.#wait();
      if (wait === undefined || this.#closed) {
        break;
      }
      if (wait > 0) {
        await this.#sleep(wait);
      } else if (this.#flights.size >= this.#options.flights) {
        await Promise.race(this.#flights);
      } else {
        this.#fly(this.#nextBatch());
      }
    }
    this.#running = false;
  }

  /** Until the next call may start; undefined when nobody waits. */
  #wait(): number | undefined {
    const wait = Math.min(
      this.#laneWait(this.#asked),
      this.#laneWait(this.#scarce),
    );
    return wait === Infinity ? undefined : wait;
  }

  #laneWait(lane: Lane<Value>): number {
    if (lane.queue.empty) {
      lane.due = Infinity;
      return Infinity;
    }
    const { clock, bucket, scarceBucket } = this.#options;
    return Math.max(
      0,
      lane.due - clock.monotonic(),
      bucket.wait(),
      lane === this.#scarce ? (scarceBucket?.wait() ?? 0) : 0,
    );
  }

  async #sleep(ms: number): Promise<void> {
    this.#bell = new AbortController();
    const { signal } = this.#bell;
    await this.#options.clock.sleep(ms, signal).catch((error: unknown) => {
      if (!signal.aborted) {
        throw error;
      }
    });
    this.#bell = undefined;
  }

  #nextBatch(): Entry<Value>[] {
    const scarceFirst =
      this.#laneWait(this.#scarce) === 0 &&
      (this.#scarceTurn || this.#laneWait(this.#asked) > 0);
    this.#scarceTurn = !scarceFirst;
    const [first, second] = scarceFirst
      ? [this.#scarce, this.#asked]
      : [this.#asked, this.#scarce];
    const group = first.queue.nextGroup() ?? "";
    const { most, bucket, scarceBucket, clock } = this.#options;
    const batch = first.queue.take(group, most);
    batch.forEach((entry) => entry.takeOff());
    // Room that is left over costs nothing.
    const riders = second.queue.take(group, most - batch.length);
    riders.forEach((entry) => entry.takeOff());
    bucket.take();
    if (scarceFirst) {
      scarceBucket?.take();
    }
    this.#lastCall = clock.monotonic();
    return [...batch, ...riders];
  }

  #fly(batch: readonly Entry<Value>[]): void {
    const flight = this.#answer(batch).finally(() => {
      this.#flights.delete(flight);
      this.#start();
    });
    this.#flights.add(flight);
  }

  async #answer(batch: readonly Entry<Value>[]): Promise<void> {
    const [first] = batch;
    if (first === undefined) {
      return;
    }
    const keys = batch.map(({ key }) => key);
    try {
      const answers = await this.#options.call(first.group, keys);
      for (const entry of batch) {
        this.#forget(entry);
        const answer = answers.get(entry.key);
        if (answer === undefined) {
          entry.fail(new AwsFault("the lookup", "malformed", "left_out"));
        } else {
          entry.settle(answer);
        }
      }
    } catch (error) {
      this.#failed(batch, error);
    }
  }

  #failed(batch: readonly Entry<Value>[], error: unknown): void {
    const { bucket, clock } = this.#options;
    if (error instanceof AwsFault && error.kind === "throttled") {
      bucket.drain();
    }
    for (const entry of batch) {
      entry.failures += 1;
      const again =
        error instanceof AwsFault &&
        error.passing &&
        entry.failures < TRIES &&
        entry.wanted &&
        !this.#closed;
      if (again) {
        entry.land();
        const rest = pause(REST, entry.failures - 1, clock);
        for (const { source, scarce } of entry.lines) {
          this.#push(this.#lane(scarce), source, entry, rest);
        }
      } else {
        this.#forget(entry);
        entry.fail(error);
      }
    }
  }

  #forget(entry: Entry<Value>): void {
    if (this.#entries.get(idOf(entry)) === entry) {
      this.#entries.delete(idOf(entry));
    }
  }
}

function idOf(entry: { group: string; key: string }): string {
  return `${entry.group} ${entry.key}`;
}
