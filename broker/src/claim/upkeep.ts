// What runs beside the flows as long as the broker does: the heartbeat, and the sweep that ends what nobody works at.
// Neither ever gives up: a ledger or a Vault that is away is told once and asked again.

import { isNoticeRefusal, pause } from "@vaultbuddy/common";
import type { Clock } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import { BEAT } from "./lease.ts";
import type { Lease } from "./lease.ts";

/** Between two sweeps, in milliseconds; longer while they fail. */
const SWEEP = { first: 1000, most: 10_000 };
/** How many sweeps pass between two tidyings of old heartbeats. */
const TIDY = 600;

/** The two loops. */
export class Upkeep {
  readonly #lease: Lease;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #sweep: () => Promise<void>;
  readonly #stopping = new AbortController();
  #loops: Promise<unknown> | undefined;

  constructor(
    lease: Lease,
    clock: Clock,
    log: Log,
    sweep: () => Promise<void>,
  ) {
    this.#lease = lease;
    this.#clock = clock;
    this.#log = log;
    this.#sweep = sweep;
  }

  /** Resolves after the first beat, and throws `ledger_unavailable` when there is none: then nothing runs. */
  async start(): Promise<void> {
    if (this.#loops !== undefined) {
      throw new Error("the upkeep of claims was started twice");
    }
    await this.#lease.beat();
    this.#loops = Promise.all([
      this.#repeat("the broker's heartbeat", () => this.#lease.beat(), {
        first: BEAT,
        most: BEAT,
      }),
      this.#repeat("the sweep of unfinished claims", this.#round(), SWEEP),
    ]);
  }

  /** Ends both loops and gives the lease up. To be called when no flow is at work any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loops;
    await this.#lease.leave().catch((error: unknown) => {
      // Nobody waits for it: a heartbeat that is left behind is one that does not change.
      this.#log.debug({ err: error }, "the heartbeat could not be removed");
    });
  }

  #round(): () => Promise<void> {
    let rounds = 0;
    return async () => {
      await this.#sweep();
      if (rounds % TIDY === 0) {
        await this.#lease.tidy();
      }
      rounds += 1;
    };
  }

  async #repeat(
    name: string,
    round: () => Promise<void>,
    every: { readonly first: number; readonly most: number },
  ): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await round();
        if (failures > 0) {
          this.#log.info({ step: name }, "works again");
        }
        failures = 0;
      } catch (error) {
        // A fault of our own must not end the loop either: without it no claim would ever end.
        const level = isNoticeRefusal(error) ? "warn" : "error";
        if (failures === 0) {
          this.#log[level]({ step: name, err: error }, "failed; tried again");
        }
        failures += 1;
      }
      const wait =
        failures === 0 ? every.first : pause(every, failures, this.#clock);
      await this.#clock.sleep(wait, signal).catch(() => undefined);
    }
  }
}
