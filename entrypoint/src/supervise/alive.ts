// Keeping something of Vault's alive: a token, or a lease. It is renewed at two thirds of its time, which leaves the last
// third for a Vault that is away for a moment.

import { pause } from "@vaultbuddy/common";
import type { Clock } from "@vaultbuddy/common";
import type { Found } from "../found.ts";

/** What ends by itself. */
export interface Ending {
  /** Its life from now; 0 when it has no end. */
  readonly seconds: number;
  readonly renewable: boolean;
}

/** What keeping it needs. */
export interface AliveDeps {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Between two tries with a Vault that says nothing. */
export const BACKOFF = { first: 1000, most: 60_000 };
/** The longest that a timer is trusted with: Node's end at 24 days. */
const LONGEST = 24 * 3_600_000;

/**
 * Renews it for as long as that works. Resolves when it does not any more, by which time it mostly still lives: refused;
 * not renewable; not heard of until its end; or less than half of the first time granted, as near a largest life of its
 * own. Rejects when the signal aborts. `renew` resolves with its new life in seconds.
 */
export async function keepAlive(
  { seconds, renewable }: Ending,
  renew: () => Promise<Found<number>>,
  deps: AliveDeps,
): Promise<void> {
  for (let granted = seconds; ;) {
    const began = deps.clock.monotonic();
    const life = granted > 0 ? granted * 1000 : Infinity;
    await sleepUntil(began + (life * 2) / 3, deps);
    const answer = renewable
      ? await renewUntil(began + life, renew, deps)
      : undefined;
    if (answer === undefined || answer * 2 < seconds) {
      return;
    }
    granted = answer;
  }
}

/** The life that was granted; undefined when none was. */
async function renewUntil(
  end: number,
  renew: () => Promise<Found<number>>,
  deps: AliveDeps,
): Promise<number | undefined> {
  const { clock, signal } = deps;
  for (let attempt = 0; clock.monotonic() < end; attempt += 1) {
    const answer = await renew();
    signal.throwIfAborted();
    if (answer.kind !== "silent") {
      return answer.kind === "found" ? answer.value : undefined;
    }
    const next = clock.monotonic() + pause(BACKOFF, attempt, clock);
    await sleepUntil(Math.min(next, end), deps);
  }
  return undefined;
}

async function sleepUntil(
  moment: number,
  { clock, signal }: AliveDeps,
): Promise<void> {
  for (;;) {
    const left = moment - clock.monotonic();
    if (left <= 0) {
      return;
    }
    await clock.sleep(Math.min(left, LONGEST), signal);
  }
}
