// Who waits for a container: for it not to run, for its next end, or for it to be gone.

import { ApiFault } from "./fault.ts";

type How = "ended" | "removed";

export class Waiters {
  readonly #waiting = new Set<(how: How) => void>();

  /** Resolves at once when it is only to be not running and isn't. Rejects when the signal ends the wait. */
  wait(
    condition: string,
    isRunning: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const patient = condition === "next-exit" || condition === "removed";
    if (!patient && !isRunning) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const forget = (): void => {
        this.#waiting.delete(waiter);
        signal.removeEventListener("abort", abort);
      };
      const waiter = (how: How): void => {
        if (condition === "removed" && how !== "removed") return;
        forget();
        resolve();
      };
      const abort = (): void => {
        forget();
        reject(new ApiFault(500, "the wait was given up"));
      };
      this.#waiting.add(waiter);
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  wake(how: How): void {
    for (const waiter of this.#waiting) waiter(how);
  }
}
