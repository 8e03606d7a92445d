// Step 4 of the entrypoint: the wrapping token is looked up, then opened, exactly once. Whatever leaves it unclear
// whether it was opened is settled by looking it up again, never by trying once more: a spent token means that somebody
// (or an answer that got lost) has what was in it, and then the broker must revoke it.

import { accessorHash, Refusal } from "@vaultbuddy/common";
import type { DeliveryCode, Secret } from "@vaultbuddy/common";
import type { Log } from "./log.ts";
import type { Verified } from "./verify.ts";

/** How far apart the mint and the signature may be, in seconds. */
const MINT_TO_SIGNATURE = 60;

/** What Vault says of a wrapping token: times in seconds since 1970, durations in seconds. */
export interface WrapFacts {
  readonly creationPath: string;
  readonly creationTime: number;
  readonly creationTtl: number;
}

/** What was inside. */
export interface Opened {
  readonly token: Secret;
  readonly accessor: string;
  readonly renewable: boolean;
  /** What is left of its life, in seconds. */
  readonly ttl: number;
}

/** What unwrapping asks of Vault. Each call ends by itself; `undefined` where it gives no usable answer. */
export interface WrapPort {
  /** The facts; "spent" when Vault says that the token is not valid or does not exist. */
  lookup(
    token: Secret,
    signal: AbortSignal,
  ): Promise<WrapFacts | "spent" | undefined>;
  unwrap(
    token: Secret,
    signal: AbortSignal,
  ): Promise<Opened | "spent" | undefined>;
  /** Ends a token by itself. Never throws: its failure changes nothing. */
  revoke(token: Secret): Promise<void>;
}

declare const ours: unique symbol;

/** The application's token, proven to be the one the broker had minted. Only {@link unwrap} makes one. */
export interface Token extends Opened {
  readonly [ours]: true;
}

/**
 * Opens a verified delivery's wrapping token. Throws the refusals `vault_unavailable` (nothing was consumed: the same
 * delivery may come again), `expired`, `wrong_creation_path` and `already_unwrapped`.
 */
export async function unwrap(
  { delivery }: Verified,
  vault: WrapPort,
  now: () => number,
  log: Log,
  signal: AbortSignal,
): Promise<Token> {
  const { wrap, iat } = delivery;
  const gone = (): Refusal<DeliveryCode> =>
    now() > iat + wrap.ttl
      ? refuse("expired", "the wrapping token's life is over")
      : refuse(
          "already_unwrapped",
          "the wrapping token is spent or unknown to Vault",
        );

  const facts = await vault.lookup(wrap.token, signal);
  if (facts === undefined) {
    throw unavailable();
  }
  if (facts === "spent") {
    throw gone();
  }
  compare(facts, delivery);

  const opened = await vault.unwrap(wrap.token, signal);
  if (opened === undefined) {
    log.debug("unwrapping gave no usable answer; looking the token up again");
    throw (await vault.lookup(wrap.token, signal)) === "spent"
      ? refuse(
          "already_unwrapped",
          "the wrapping token was opened, but its answer did not arrive here",
        )
      : unavailable();
  }
  if (opened === "spent") {
    throw gone();
  }
  if (accessorHash(opened.accessor) !== wrap.accessorHash) {
    await vault.revoke(opened.token);
    throw refuse(
      "already_unwrapped",
      "the token inside is not the one that was wrapped",
    );
  }
  return opened as Token;
}

function compare(facts: WrapFacts, { wrap, iat }: Verified["delivery"]): void {
  const fault =
    facts.creationPath !== wrap.creationPath
      ? "at another path"
      : facts.creationTtl !== wrap.ttl
        ? "with another life"
        : !(Math.abs(facts.creationTime - iat) <= MINT_TO_SIGNATURE)
          ? "at another time"
          : undefined;
  if (fault !== undefined) {
    throw refuse(
      "wrong_creation_path",
      `the wrapping token was made ${fault} than the delivery says`,
    );
  }
}

function unavailable(): Refusal<DeliveryCode> {
  return refuse(
    "vault_unavailable",
    "Vault gave no usable answer; send the same delivery again",
  );
}

function refuse(code: DeliveryCode, message: string): Refusal<DeliveryCode> {
  return new Refusal(code, message);
}
