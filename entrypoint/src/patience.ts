// How long this process goes on without having become the command. One timer for all of it, replaced as the flow
// proceeds; when it ends, its signal stops whatever is in flight.

import type { Clock } from "@vaultbuddy/common";

/**
 * How long after its first time it may be given more, in milliseconds. A broker tries for a minute and a half; whoever goes
 * on longer with deliveries that cannot be opened is not waited for.
 */
const MOST_EXTRA = 90_000;

/** The one timer. */
export class Patience {
  readonly #clock: Pick<Clock, "monotonic" | "sleep">;
  readonly #over = new AbortController();
  readonly #firstEnd: number;
  #armed: AbortController | undefined;

  /** Starts to run at once. */
  constructor(clock: Pick<Clock, "monotonic" | "sleep">, ms: number) {
    this.#clock = clock;
    this.#firstEnd = clock.monotonic() + ms;
    this.grant(ms);
  }

  /** Aborts when the time is over. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** From now on `ms` are left, whatever was left before; in all never more than a minute and a half over the first time. */
  grant(ms: number): void {
    this.stop();
    const left = this.#firstEnd + MOST_EXTRA - this.#clock.monotonic();
    const armed = new AbortController();
    this.#armed = armed;
    this.#clock.sleep(Math.max(0, Math.min(ms, left)), armed.signal).then(
      () => this.#over.abort(new Error("the time is over")),
      () => undefined,
    );
  }

  /** Gives back what is left of the first time, and at least `ms`. */
  giveBack(ms: number): void {
    this.grant(Math.max(ms, this.#firstEnd - this.#clock.monotonic()));
  }

  /** Stops the timer: the time is never over. */
  stop(): void {
    this.#armed?.abort();
  }
}
