// What every way to log in is to the session that keeps the token alive: something that gives a token, again if it can.

import type { Log } from "@vaultbuddy/common/daemon";
import type { OwnToken, VaultApi } from "../vault/api.ts";

/** A way to log in. */
export interface LoginMethod {
  /** Its name in logs. */
  readonly kind: string;
  /**
   * Whether logging in again gives a new token while the old one lives. Where it does not, the token is only renewed,
   * and asked for again once it has ended.
   */
  readonly repeatable: boolean;
  /**
   * Logs in. Throws VaultRefused or {@link LoginFault} when the credential is no good, and Refusal
   * `vault_unavailable` when it may be tried again.
   */
  login(api: VaultApi, log: Log): Promise<OwnToken>;
}

/** A credential or a policy is wrong, and waiting will not mend it. */
export class LoginFault extends Error {
  override readonly name = "LoginFault";
  readonly ours = true;
}
