// Docker's restart policies: who starts again by himself, and after how long.

import type { Nano } from "./instant.ts";

const shortestMs = 100;
const longestMs = 60_000;
/** One that ran this long is not held back for its earlier failures. */
const steady = 10_000_000_000n;

/** Whether a container that ended by itself is started again. */
export function startsAgain(
  policy: { readonly name: string; readonly most: number },
  exitCode: number,
  restarts: number,
): boolean {
  if (policy.name === "always" || policy.name === "unless-stopped") return true;
  return (
    policy.name === "on-failure" &&
    exitCode !== 0 &&
    (policy.most === 0 || restarts < policy.most)
  );
}

/** Milliseconds to wait, given the last wait (0: none) and how long it ran since. */
export function pauseBefore(lastMs: number, ran: Nano): number {
  return lastMs === 0 || ran >= steady
    ? shortestMs
    : Math.min(lastMs * 2, longestMs);
}
