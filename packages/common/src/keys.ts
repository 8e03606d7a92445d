// How keys come from one another. A broker holds masters; a container holds only the key of its own task definition
// family, so that what one family knows opens nothing of another's. Both sides must derive to the same bit.

import { createHash, hkdfSync } from "node:crypto";
import { SecretBytes } from "./secret.ts";

const SALT = "vaultbuddy/v1";
const KEY_BYTES = 32;

/** A family's HMAC key with the id under which signatures and handshakes name it. */
export interface FamilyKey {
  readonly alg: "HS256";
  /** First 16 hexadecimal digits of the SHA-256 of the key's bytes. */
  readonly kid: string;
  readonly key: SecretBytes;
}

/**
 * Reads a key written as base64url (RFC 4648 section 5, with or without padding; surrounding white space is ignored).
 * Throws a RangeError that holds no part of the text when it is not base64url or shorter than 32 bytes.
 */
export function parseKey(text: string): SecretBytes {
  const trimmed = text.trim().replace(/=+$/, "");
  if (!/^[A-Za-z0-9_-]+$/.test(trimmed)) {
    throw new RangeError("a key must be written as base64url");
  }
  const bytes = Buffer.from(trimmed, "base64url");
  if (bytes.toString("base64url") !== trimmed || bytes.length < KEY_BYTES) {
    throw new RangeError(
      "a key must be at least 32 bytes, written as base64url",
    );
  }
  return new SecretBytes(bytes);
}

/** Derives the key of one family: HKDF-SHA256 (RFC 5869) over the master, info `<12-digit account>/<family>`. */
export function deriveFamilyKey(
  master: SecretBytes,
  account: string,
  family: string,
): FamilyKey {
  return familyKey(hkdf(master, `${account}/${family}`));
}

/** Names a family key that is already derived, as a container holds it. */
export function familyKey(key: SecretBytes): FamilyKey {
  return { alg: "HS256", kid: keyId(key.expose()), key };
}

/** The id of a key: first 16 hexadecimal digits of the SHA-256 of its bytes (an Ed25519 key's 32 raw public bytes). */
export function keyId(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

/** The pre-shared key of the TLS channel (RFC 8446 section 4.2.11, external PSK), from the family's key. */
export function derivePsk(key: SecretBytes): SecretBytes {
  return hkdf(key, "tls-psk");
}

function hkdf(from: SecretBytes, info: string): SecretBytes {
  return new SecretBytes(
    new Uint8Array(hkdfSync("sha256", from.expose(), SALT, info, KEY_BYTES)),
  );
}
