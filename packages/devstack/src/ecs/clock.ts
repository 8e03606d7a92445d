// Time and chance as arguments: the whole stand-in takes both from here, so that tests run a task's life in manual time.

import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";

export interface Clock {
  /** Epoch milliseconds, with a fraction where the machine has one. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own. `ahead` milliseconds make a server whose clock differs from its clients'. */
export function systemClock(ahead = 0): Clock {
  return {
    now: () => performance.timeOrigin + performance.now() + ahead,
    sleep: (ms, signal) => delay(ms, undefined, signal && { signal }),
  };
}

/** Random hex digits, as AWS puts into ids. */
export type Hex = (digits: number) => string;

export const randomHex: Hex = (digits) =>
  randomBytes(Math.ceil(digits / 2))
    .toString("hex")
    .slice(0, digits);

/** AWS JSON writes timestamps as seconds with a fraction of milliseconds. */
export function epochSeconds(ms: number): number {
  return Math.round(ms) / 1000;
}
