// Remembers answers for a time, and only so many: what was used longest ago is forgotten first.

import type { Clock } from "@vaultbuddy/common";

/** A bounded memory. */
export class Cache<Value> {
  readonly #most: number;
  readonly #life: number;
  readonly #clock: Pick<Clock, "monotonic">;
  // The order of the map is the order of use.
  readonly #values = new Map<string, { value: Value; until: number }>();

  /** `life` in milliseconds. */
  constructor(most: number, life: number, clock: Pick<Clock, "monotonic">) {
    this.#most = most;
    this.#life = life;
    this.#clock = clock;
  }

  get(key: string): Value | undefined {
    const entry = this.#values.get(key);
    if (entry === undefined || entry.until <= this.#clock.monotonic()) {
      this.#values.delete(key);
      return undefined;
    }
    this.#values.delete(key);
    this.#values.set(key, entry);
    return entry.value;
  }

  set(key: string, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, {
      value,
      until: this.#clock.monotonic() + this.#life,
    });
    const [oldest] = this.#values.keys();
    if (this.#values.size > this.#most && oldest !== undefined) {
      this.#values.delete(oldest);
    }
  }

  delete(key: string): void {
    this.#values.delete(key);
  }
}
