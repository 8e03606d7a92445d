// How long this process goes on without having become the command. One timer for all of it, replaced as the flow
// proceeds; when it ends, its signal stops whatever is in flight.

import type { Clock } from "@vaultbuddy/common";

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

  /** From now on `ms` are left, whatever was left before. */
  grant(ms: number): void {
    this.stop();
    const armed = new AbortController();
    this.#armed = armed;
    this.#clock.sleep(ms, armed.signal).then(
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
