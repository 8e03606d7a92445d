// What a container's key means at its door: how the channel is protected, what a delivery's signature is checked with,
// and which certificate a delivery has to name. Called once the port is open: all of it needs node:crypto.

import { familyKey, verifyingKey } from "@vaultbuddy/common";
import type { VerifyWith } from "@vaultbuddy/common";
import { makeIdentity } from "./certificate.ts";
import type { Config } from "./config.ts";
import type { Channel } from "./serve.ts";

/** The door's side of the agreement with the broker. */
export interface Doorway {
  readonly key: VerifyWith;
  readonly channel: Channel;
  /** The hash that a delivery's `tls` must be; absent where it must have none. */
  readonly certificate?: string;
}

/** Makes what the configured key asks for. */
export function openDoorway({
  proof,
  plaintext,
}: Pick<Config, "proof" | "plaintext">): Doorway {
  if (proof.kind === "hmac") {
    const key = familyKey(proof.key);
    return {
      key,
      channel: plaintext ? { kind: "plain" } : { kind: "psk", key },
    };
  }
  const key = verifyingKey(proof.publicKey);
  if (plaintext) {
    return { key, channel: { kind: "plain" } };
  }
  const identity = makeIdentity();
  return {
    key,
    channel: { kind: "certificate", identity },
    certificate: identity.hash,
  };
}
