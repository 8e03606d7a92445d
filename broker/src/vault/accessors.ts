// What claims need of Vault: whether a token still lives and that it ends, both by its accessor, which is no secret.
// https://developer.hashicorp.com/vault/api-docs/auth/token#lookup-a-token-accessor

import { Refusal } from "@vaultbuddy/common";
import type { Secret } from "@vaultbuddy/common";
import type { VaultAnswer, VaultAsk } from "./transport.ts";

export interface Accessors {
  /** Throws Refusal `vault_unavailable` or `sealed` when Vault did not say. */
  lookupAccessor(accessor: string): Promise<"alive" | "gone">;
  /** Asks for the end of a token. What became of it is for {@link lookupAccessor} to say, not for the status. */
  revokeAccessor(accessor: string): Promise<void>;
}

/** Opens the calls over a transport. `token` is the broker's own, or throws `sealed`. */
export function openAccessors(
  vault: { ask(ask: VaultAsk): Promise<VaultAnswer> },
  token: () => Secret,
): Accessors {
  const ask = (path: string, accessor: string): Promise<VaultAnswer> =>
    vault.ask({ method: "POST", path, token: token(), body: { accessor } });
  return {
    lookupAccessor: async (accessor) => {
      const answer = await ask("auth/token/lookup-accessor", accessor);
      if (answer.status === 200) {
        return "alive";
      }
      if (isGone(answer)) {
        return "gone";
      }
      throw new Refusal(
        "vault_unavailable",
        `Vault did not say whether a token still lives (${answer.status}): check the broker's policy on ` +
          "auth/token/lookup-accessor",
      );
    },
    revokeAccessor: async (accessor) => {
      await ask("auth/token/revoke-accessor", accessor);
    },
  };
}

/** Only the one answer counts that Vault gives for an accessor it does not know; a 403 never does. */
function isGone(answer: VaultAnswer): boolean {
  const { body } = answer;
  if (
    answer.status !== 400 ||
    typeof body !== "object" ||
    body === null ||
    !("errors" in body)
  ) {
    return false;
  }
  const errors: unknown = body.errors;
  return (
    Array.isArray(errors) &&
    errors.some(
      (text) => typeof text === "string" && text.includes("invalid accessor"),
    )
  );
}
