// What Vault says to one question, and asking it again where it said nothing. What may be asked for again is, but nothing
// that makes something new with every answer, such as a database user: the one whose answer was lost would live on unknown.

import { pause } from "@vaultbuddy/common";
import type { Clock } from "@vaultbuddy/common";

/** What Vault said: something, a refusal, or nothing that can be used. */
export type Found<Value> =
  | { readonly kind: "found"; readonly value: Value }
  | { readonly kind: "refused"; readonly status: number }
  /** `lost`: Vault may have done what was asked all the same. */
  | { readonly kind: "silent"; readonly lost?: true };

/** A call that Vault did not answer is made at most this often. */
const TRIES = 3;
const BACKOFF = { first: 100, most: 400 };

/** Asks until Vault says something. `stable` says that asking again does no harm even when the first was done. */
export async function repeated<Value>(
  { clock, signal }: RepeatDeps,
  stable: boolean,
  call: () => Promise<Found<Value>>,
): Promise<Found<Value>> {
  for (let attempt = 0; ; attempt += 1) {
    const answer = await call();
    const over =
      answer.kind !== "silent" ||
      (answer.lost === true && !stable) ||
      attempt + 1 >= TRIES ||
      signal.aborted;
    if (over) {
      return answer;
    }
    await clock
      .sleep(pause(BACKOFF, attempt, clock), signal)
      .catch(() => undefined);
  }
}

/** The time that asking again takes. */
export interface RepeatDeps {
  readonly clock: Pick<Clock, "sleep" | "random">;
  readonly signal: AbortSignal;
}
