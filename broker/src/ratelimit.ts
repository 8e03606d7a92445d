// Keeps one address from filling the broker with notices: a bucket of tokens for each source, forgotten when full.

import { Refusal } from "@vaultbuddy/common";
import type { Clock } from "@vaultbuddy/common";

const MOST_SOURCES = 10_000;
/** How many seconds' worth of notices may come at once. */
const BURST_SECONDS = 10;

/** A bucket for each source address. */
export class NoticeLimit {
  readonly #rate: number;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  /** `rate` is notices a second. */
  constructor(rate: number, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** Takes one notice from a source's bucket. Throws Refusal `rate_limited` when it is empty. */
  admit(source: string): void {
    const now = this.#clock.monotonic();
    const most = this.#rate * BURST_SECONDS;
    const bucket = this.#buckets.get(source) ?? { tokens: most, at: now };
    const tokens = Math.min(
      most,
      bucket.tokens + ((now - bucket.at) / 1000) * this.#rate,
    );
    // Taken out and put back, so that the map's order is the order of use and the first is the one to forget.
    this.#buckets.delete(source);
    this.#forgetOldest();
    if (tokens < 1) {
      this.#buckets.set(source, { tokens, at: now });
      throw new Refusal(
        "rate_limited",
        "too many notices came from this address: send fewer, or raise --notice-rate",
      );
    }
    this.#buckets.set(source, { tokens: tokens - 1, at: now });
  }

  #forgetOldest(): void {
    if (this.#buckets.size >= MOST_SOURCES) {
      const oldest = this.#buckets.keys().next();
      if (oldest.done !== true) {
        this.#buckets.delete(oldest.value);
      }
    }
  }
}
