// A bucket of tokens that mirrors one of AWS's own, so that we wait here instead of being throttled there: AWS counts
// per account and region, and whoever else works in that account would be throttled with us.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html

import type { Clock } from "@vaultbuddy/common";

/** Tokens that come back with time. */
export class Bucket {
  readonly #size: number;
  readonly #perSecond: number;
  readonly #clock: Pick<Clock, "monotonic">;
  #tokens: number;
  #at: number;

  constructor(
    size: number,
    perSecond: number,
    clock: Pick<Clock, "monotonic">,
  ) {
    this.#size = size;
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#tokens = size;
    this.#at = clock.monotonic();
  }

  /** Milliseconds until there is a token; 0 when there is one. */
  wait(): number {
    this.#refill();
    return this.#tokens >= 1
      ? 0
      : Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1000);
  }

  /** Takes a token that {@link wait} has promised. */
  take(): void {
    this.#refill();
    this.#tokens -= 1;
  }

  /** AWS said that its bucket is empty: so is ours. */
  drain(): void {
    this.#refill();
    this.#tokens = Math.min(this.#tokens, 0);
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(
      this.#size,
      this.#tokens + ((now - this.#at) / 1000) * this.#perSecond,
    );
    this.#at = now;
  }
}
