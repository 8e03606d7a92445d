// Login by a wrapped token: whoever starts the broker gives it a wrapping token with its own inside, which opens once.
// That it opens is the proof that nobody has seen what is inside, so one that does not open is an alarm and no nuisance.
// Where it was made is looked at first: anybody who may log in to Vault can wrap an answer of his choosing.
// https://developer.hashicorp.com/vault/docs/concepts/response-wrapping#response-wrapping-token-validation

import type { Secret } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import { VaultRefused } from "../vault/api.ts";
import type { OwnToken, VaultApi } from "../vault/api.ts";
import { LoginFault } from "./method.ts";
import type { LoginMethod } from "./method.ts";

/** Where the wrapping token comes from, and where it may have been made. */
export interface WrappedSource {
  readonly token: () => Secret;
  readonly madeAt: readonly ((path: string) => boolean)[];
}

/** The way to log in. */
export function wrappedLogin(source: WrappedSource): LoginMethod {
  return new WrappedLogin(source);
}

class WrappedLogin implements LoginMethod {
  readonly kind = "wrapped token";
  readonly repeatable = false;
  readonly #source: WrappedSource;
  /** The wrapping token that was tried last, and what was in it once it was open. */
  #tried: Secret | undefined;
  #inside: Secret | undefined;
  /** The one that an alarm was raised for: once is enough, and the session tries again and again. */
  #alarmed: Secret | undefined;

  constructor(source: WrappedSource) {
    this.#source = source;
  }

  async login(api: VaultApi, log: Log): Promise<OwnToken> {
    const wrapping = this.#source.token();
    const again = this.#tried?.equals(wrapping.expose()) === true;
    if (again && this.#inside !== undefined) {
      return await this.#lookUpInside(api, this.#inside);
    }
    await this.#check(api, log, wrapping, again);
    // From here on it may be open, whatever becomes of the answer.
    this.#tried = wrapping;
    this.#inside = undefined;
    const own = await this.#open(api, log, wrapping);
    this.#inside = own.token;
    return own;
  }

  async #lookUpInside(api: VaultApi, inside: Secret): Promise<OwnToken> {
    try {
      return await api.lookupSelf(inside);
    } catch (error) {
      if (error instanceof VaultRefused) {
        throw new LoginFault(
          "the token that the wrapping token held has ended: give a new wrapping token (WRAPPED_TOKEN_AUTH_FILE is " +
            "read again by itself)",
        );
      }
      throw error;
    }
  }

  async #check(
    api: VaultApi,
    log: Log,
    wrapping: Secret,
    again: boolean,
  ): Promise<void> {
    let madeAt: string;
    try {
      madeAt = await api.lookupWrapping(wrapping);
    } catch (error) {
      throw saysNo(error) ? this.#spent(log, wrapping, again) : error;
    }
    if (!this.#source.madeAt.some((expected) => expected(madeAt))) {
      this.#alarm(
        log,
        wrapping,
        "the wrapping token was made in a place where the broker's is not made",
      );
      throw new LoginFault(
        `ALARM: the wrapping token was made at ${printable(madeAt)}, where the broker's is not made ` +
          "(--wrapped-token-paths): find out who gave it; it was not opened",
      );
    }
  }

  async #open(api: VaultApi, log: Log, wrapping: Secret): Promise<OwnToken> {
    try {
      return await api.unwrap(wrapping);
    } catch (error) {
      throw saysNo(error) ? this.#spent(log, wrapping, false) : error;
    }
  }

  /** Vault gives one answer for opened, expired and made up. `again`: this broker asked to open it and heard nothing. */
  #spent(log: Log, wrapping: Secret, again: boolean): LoginFault {
    if (again) {
      return new LoginFault(
        "the wrapping token was opened by this broker and Vault's answer was lost: revoke what was inside, and give a " +
          "new wrapping token",
      );
    }
    this.#alarm(log, wrapping, "the wrapping token cannot be opened any more");
    return new LoginFault(
      "ALARM: the wrapping token has been opened already, or has expired: unless this broker was started with it " +
        "before, or too late, somebody else has the broker's token; revoke what was inside, find out who, and give a " +
        "new one",
    );
  }

  #alarm(log: Log, wrapping: Secret, what: string): void {
    if (this.#alarmed?.equals(wrapping.expose()) !== true) {
      this.#alarmed = wrapping;
      log.fatal({}, what);
    }
  }
}

/** Vault's answers for a wrapping token that opens nothing; any other status is about the question. */
function saysNo(error: unknown): boolean {
  return (
    error instanceof VaultRefused &&
    (error.status === 400 || error.status === 403)
  );
}

function printable(path: string): string {
  return /^[\x21-\x7e]{1,200}$/.test(path) ? path : "an unprintable path";
}
