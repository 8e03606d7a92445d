// One question that is waiting for its call, and everyone who waits for the answer.

import type { Queued } from "./fair.ts";

interface Waiter<Value> {
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
}

/** A question and its waiters. It is live, that is wanted and not yet on its way, as long as it stands in a queue. */
export class Entry<Value> implements Queued {
  readonly group: string;
  readonly key: string;
  /** On whose behalf, and whether on the small bucket: it stands in the line of each. */
  readonly lines: { readonly source: string; readonly scarce: boolean }[] = [];
  /** How many calls it has been part of that failed. */
  failures = 0;
  readonly #waiters = new Set<Waiter<Value>>();
  #flying = false;

  constructor(group: string, key: string) {
    this.group = group;
    this.key = key;
  }

  /** Adds a line; false when it has that one already. */
  join(source: string, scarce: boolean): boolean {
    const known = this.lines.some(
      (line) => line.source === source && line.scarce === scarce,
    );
    if (!known) {
      this.lines.push({ source, scarce });
    }
    return !known;
  }

  get live(): boolean {
    return !this.#flying && this.wanted;
  }

  get flying(): boolean {
    return this.#flying;
  }

  get wanted(): boolean {
    return this.#waiters.size > 0;
  }

  /** It is part of a call now. */
  takeOff(): void {
    this.#flying = true;
  }

  /** Its call failed and it waits for another one. */
  land(): void {
    this.#flying = false;
  }

  /** Waits for the answer. Rejects with the signal's reason when it aborts; `left` is told when nobody waits any more. */
  wait(signal: AbortSignal, left: () => void): Promise<Value> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiters.delete(waiter);
        if (!this.wanted && !this.#flying) {
          left();
        }
        reject(signal.reason);
      };
      const waiter: Waiter<Value> = {
        resolve: (value) => {
          signal.removeEventListener("abort", leave);
          resolve(value);
        },
        reject: (error) => {
          signal.removeEventListener("abort", leave);
          reject(error);
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiters.add(waiter);
    });
  }

  settle(value: Value): void {
    this.#waiters.forEach((waiter) => waiter.resolve(value));
    this.#waiters.clear();
  }

  fail(error: unknown): void {
    this.#waiters.forEach((waiter) => waiter.reject(error));
    this.#waiters.clear();
  }
}
