// How a token is taken back: both accessors, the inner one first, and nothing believed but a lookup that finds them
// gone. Revoking the wrapping token alone would leave the token inside alive; and revoked in this order, a wrapping token
// that is still there when the inner one is gone proves that nobody has ever held a live token.

import { Refusal } from "@vaultbuddy/common";
import type { Clock } from "@vaultbuddy/common";
import type { Token } from "./claim/record.ts";

/** What revoking needs of Vault. Both reject with `vault_unavailable` or `sealed` when Vault does not say. */
export interface Revoker {
  /** `gone` only on Vault's own "invalid accessor"; a 403, say, is no answer and rejects. */
  lookupAccessor(accessor: string): Promise<"alive" | "gone">;
  /** Asks for it; whether it happened is looked up, because the status of the answer differs between versions. */
  revokeAccessor(accessor: string): Promise<void>;
}

/** What became of a wrapping token. */
export type Wrapping = "there" | "expired" | "opened";

/** How often a revoked accessor is looked up, and the pause between, in milliseconds. */
const LOOKUPS = 5;
const PAUSE = 50;
/**
 * How long after its time a wrapping token that is gone may still count as opened, in milliseconds: Vault counts from
 * its own clock, and an alarm too many is better than one too few.
 */
const MARGIN = 2000;

/** Revokes one accessor and confirms that it is gone. Throws `vault_unavailable` or `sealed` while it may live. */
export async function end(
  accessor: string,
  revoker: Revoker,
  clock: Clock,
): Promise<void> {
  let failure: unknown;
  try {
    await revoker.revokeAccessor(accessor);
  } catch (error) {
    // A Vault that answers the lookup decides; what it said to the revocation does not.
    failure = error;
  }
  for (let lookup = 0; lookup < LOOKUPS; lookup += 1) {
    if (lookup > 0) {
      await clock.sleep(PAUSE);
    }
    if ((await revoker.lookupAccessor(accessor)) === "gone") {
      return;
    }
    if (failure !== undefined) {
      break;
    }
  }
  throw failure instanceof Refusal
    ? failure
    : new Refusal(
        "vault_unavailable",
        "Vault has not revoked a token; it is tried again",
        { cause: failure },
      );
}

/** What became of a wrapping token whose inner token is confirmed gone. To be asked before it is revoked itself. */
export async function wrappingOf(
  token: Token,
  revoker: Revoker,
  clock: Clock,
): Promise<Wrapping> {
  if ((await revoker.lookupAccessor(token.wrapAccessor)) === "alive") {
    return "there";
  }
  return clock.now() >= token.wrapExpires + MARGIN ? "expired" : "opened";
}
