// Time, sleep and chance as arguments, so that a test can hold the clock in its hand.

import { setTimeout as sleepFor } from "node:timers/promises";

/** What a step may know of time. */
export interface Clock {
  /** Milliseconds since 1970, which may jump. */
  now(): number;
  /** Milliseconds from an arbitrary start, which never jump: for deadlines and leases. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** A number in [0, 1), for jitter only. */
  random(): number;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (ms, signal) => {
    signal?.throwIfAborted();
    await sleepFor(ms, undefined, signal === undefined ? {} : { signal }).catch(
      (error: unknown) => {
        // The timer wraps the reason in an AbortError of its own; callers compare the reason.
        signal?.throwIfAborted();
        throw error;
      },
    );
  },
  random: () => Math.random(),
};

/**
 * A clock whose wall time is that of now and runs on without ever being set: for moments that one process writes down and
 * compares later. Somebody else's moments, such as a signature's, are compared with the machine's own clock.
 */
export function steady(clock: Clock): Clock {
  const offset = clock.now() - clock.monotonic();
  return {
    now: () => Math.round(offset + clock.monotonic()),
    monotonic: () => clock.monotonic(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    random: () => clock.random(),
  };
}

/** A pause that doubles. */
export interface Backoff {
  /** The first pause, in milliseconds. */
  readonly first: number;
  /** The longest pause, in milliseconds. */
  readonly most: number;
}

/** The pause before try `attempt` (0 is the first repetition): exponential, with half of it left to chance. */
export function pause(
  backoff: Backoff,
  attempt: number,
  clock: Pick<Clock, "random">,
): number {
  const full = Math.min(
    backoff.most,
    backoff.first * 2 ** Math.min(attempt, 50),
  );
  return full / 2 + (full / 2) * clock.random();
}
