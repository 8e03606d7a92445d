// What a notice does that finds its container's claim held: it waits, and answers the outcome of whoever holds it.

import { Refusal } from "@vaultbuddy/common";
import type { Clock, Delivered } from "@vaultbuddy/common";
import type { Page } from "./book.ts";
import { isSettled } from "./record.ts";

/** How long a waiter bears with a claim that is being revoked before it blames Vault, in milliseconds. */
const PATIENCE = 2000;

/** One notice that waits for one claim. */
export class Waiting {
  readonly #clock: Clock;
  /** The attempt that had ended before this notice came: its outcome is not this notice's. */
  readonly #past: string | undefined;
  #revokingSince: number | undefined;

  constructor(first: Page | undefined, clock: Clock) {
    this.#clock = clock;
    this.#past =
      first !== undefined && isSettled(first.record)
        ? first.record.deliveryId
        : undefined;
  }

  /**
   * The outcome of the attempt that was waited for; undefined while there is none, and when its owner died, so that this
   * notice may go on in its place. A failure is thrown with its code.
   */
  outcome(page: Page | undefined): Delivered | undefined {
    if (page === undefined || page.record.deliveryId === this.#past) {
      return undefined;
    }
    const { record } = page;
    if (record.state === "delivered") {
      return { outcome: "delivered", deliveryId: record.deliveryId };
    }
    if (record.state === "released" && record.code !== undefined) {
      throw new Refusal(
        record.code,
        "the attempt under way for this container ended so",
      );
    }
    return undefined;
  }

  /** Throws `vault_unavailable` when the claim has been seen in `revoking` for too long. */
  bear(page: Page | undefined): void {
    if (page?.record.state !== "revoking") {
      this.#revokingSince = undefined;
      return;
    }
    const now = this.#clock.monotonic();
    this.#revokingSince ??= now;
    if (now - this.#revokingSince >= PATIENCE) {
      throw new Refusal(
        "vault_unavailable",
        "an earlier token of this container is not revoked yet",
      );
    }
  }
}
