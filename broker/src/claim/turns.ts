// One process, one turn per container: within a broker only one flow, or the sweep, works at a claim at a time, and the
// others sleep until it is done instead of asking the ledger.

import type { Clock } from "@vaultbuddy/common";

/** Turns by key. */
export class Turns {
  readonly #clock: Clock;
  readonly #taken = new Set<string>();
  readonly #sleepers = new Map<string, Set<AbortController>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isTaken(key: string): boolean {
    return this.#taken.has(key);
  }

  /** Takes the turn; false when somebody has it. */
  take(key: string): boolean {
    const free = !this.#taken.has(key);
    this.#taken.add(key);
    return free;
  }

  /** Gives the turn back and wakes those who wait for it. */
  give(key: string): void {
    this.#taken.delete(key);
    const sleepers = this.#sleepers.get(key) ?? [];
    this.#sleepers.delete(key);
    for (const sleeper of sleepers) {
      sleeper.abort();
    }
  }

  /** Resolves when the turn is given back, after `ms`, or when the signal aborts: whichever comes first. */
  async wait(key: string, ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const sleepers = this.#sleepers.get(key) ?? new Set();
    this.#sleepers.set(key, sleepers.add(woken));
    const either = AbortSignal.any([signal, woken.signal]);
    // All three are the same to the caller, who looks at the claim again.
    await this.#clock.sleep(ms, either).catch(() => undefined);
    sleepers.delete(woken);
    if (sleepers.size === 0 && this.#sleepers.get(key) === sleepers) {
      this.#sleepers.delete(key);
    }
  }
}
