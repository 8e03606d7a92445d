// Ed25519 keys (RFC 8032, RFC 8037): a broker signs with a private key, a container holds the public one and so nothing
// secret at all. Reading a public key needs no more than arithmetic on bytes, because the entrypoint reads its settings
// before its port is open and node:crypto is not loaded by then.

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
} from "node:crypto";
import type { KeyObject } from "node:crypto";
import { keyId } from "./keys.ts";

/** The public half of a pair, with the id under which signatures name it. */
export interface VerifyingKey {
  readonly alg: "EdDSA";
  /** First 16 hexadecimal digits of the SHA-256 of the 32 raw public bytes. */
  readonly kid: string;
  /** 32 bytes. */
  readonly raw: Uint8Array;
  readonly publicKey: KeyObject;
}

/** A whole pair, as the broker holds it. A KeyObject shows nothing of its key when it is printed. */
export interface SigningKey extends VerifyingKey {
  readonly privateKey: KeyObject;
}

const KEY_BYTES = 32;
/** SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410 section 4). */
const SPKI = Buffer.from("302a300506032b6570032100", "hex");
const FORMS = "an Ed25519 public key as a JWK or as PEM";
const PRIVATE_FORMS = "an Ed25519 private key, unencrypted PKCS#8 PEM or JWK";

/**
 * Reads a public key written as a JWK (RFC 8037 section 2) or as PEM; answers its 32 bytes. Throws a RangeError that
 * holds no part of the text, also for a private key: a container must not have one.
 */
export function parsePublicKey(text: string): Uint8Array {
  const trimmed = text.trim();
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(trimmed)) {
    throw new RangeError(
      `must be ${FORMS}: this is a private key, for the broker alone`,
    );
  }
  return trimmed.startsWith("{")
    ? publicFromJwk(readJwk(trimmed, FORMS))
    : publicFromPem(trimmed);
}

/** A public key made ready to verify with, from its 32 bytes. */
export function verifyingKey(raw: Uint8Array): VerifyingKey {
  const publicKey = createPublicKey({
    key: Buffer.concat([SPKI, raw]),
    format: "der",
    type: "spki",
  });
  return { alg: "EdDSA", kid: keyId(raw), raw, publicKey };
}

/**
 * Reads a private key written as unencrypted PKCS#8 PEM or as a JWK. Throws a RangeError that holds no part of the text
 * and no cause: OpenSSL's messages are not ours to vouch for.
 */
export function parseSigningKey(text: string): SigningKey {
  const trimmed = text.trim();
  return trimmed.startsWith("{")
    ? privateFromJwk(readJwk(trimmed, PRIVATE_FORMS))
    : privateFromPem(trimmed);
}

/** A new pair. */
export function generateSigningKey(): SigningKey {
  return signingKey(generateKeyPairSync("ed25519").privateKey);
}

/** A private key as the broker's file holds it: PKCS#8 PEM. */
export function privatePem({ privateKey }: SigningKey): string {
  return privateKey.export({ format: "pem", type: "pkcs8" }).toString();
}

/** A public key as PEM. */
export function publicPem({ publicKey }: VerifyingKey): string {
  return publicKey.export({ format: "pem", type: "spki" }).toString();
}

/** A public key as a JWK in one line, which is easier to put into a task definition than PEM. */
export function publicJwk({ kid, raw }: VerifyingKey): string {
  const x = Buffer.from(raw).toString("base64url");
  return JSON.stringify({ kty: "OKP", crv: "Ed25519", x, kid });
}

interface Jwk {
  readonly x: Buffer;
  readonly d: Buffer | undefined;
}

/** Members that are not understood are ignored, as RFC 7517 section 4 has it. */
function readJwk(text: string, forms: string): Jwk {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RangeError(`must be ${forms}`);
  }
  const jwk = new Map(Object.entries(value ?? {}));
  const use = jwk.get("use") ?? "sig";
  const alg = jwk.get("alg") ?? "EdDSA";
  const x = octets(jwk.get("x"));
  const d = jwk.has("d") ? octets(jwk.get("d")) : undefined;
  const fits =
    jwk.get("kty") === "OKP" &&
    jwk.get("crv") === "Ed25519" &&
    use === "sig" &&
    // RFC 9864 gives Ed25519 a name of its own.
    (alg === "EdDSA" || alg === "Ed25519");
  if (!fits || x === undefined || (jwk.has("d") && d === undefined)) {
    throw new RangeError(`must be ${forms}`);
  }
  return { x, d };
}

function octets(value: unknown): Buffer | undefined {
  const bytes = Buffer.from(
    typeof value === "string" ? value : "",
    "base64url",
  );
  return bytes.length === KEY_BYTES && bytes.toString("base64url") === value
    ? bytes
    : undefined;
}

function publicFromJwk({ x, d }: Jwk): Uint8Array {
  if (d !== undefined) {
    throw new RangeError(
      `must be ${FORMS}: this is a private key, for the broker alone`,
    );
  }
  return x;
}

function publicFromPem(text: string): Uint8Array {
  const [, body = ""] =
    /^-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----$/.exec(
      text,
    ) ?? [];
  const der = Buffer.from(body.replace(/\s/g, ""), "base64");
  if (
    der.length !== SPKI.length + KEY_BYTES ||
    !der.subarray(0, SPKI.length).equals(SPKI)
  ) {
    throw new RangeError(`must be ${FORMS}`);
  }
  return der.subarray(SPKI.length);
}

function privateFromJwk({ x, d }: Jwk): SigningKey {
  if (d === undefined) {
    throw new RangeError(
      `must be ${PRIVATE_FORMS}: this is only the public half`,
    );
  }
  // Refused as well when its two halves do not belong together.
  return signingKey(
    importPrivate({
      key: {
        kty: "OKP",
        crv: "Ed25519",
        x: x.toString("base64url"),
        d: d.toString("base64url"),
      },
      format: "jwk",
    }),
  );
}

function privateFromPem(text: string): SigningKey {
  if (
    !/^-----BEGIN PRIVATE KEY-----\s[^-]+-----END PRIVATE KEY-----$/.test(text)
  ) {
    throw new RangeError(`must be ${PRIVATE_FORMS}`);
  }
  return signingKey(importPrivate(text));
}

function importPrivate(
  input: Parameters<typeof createPrivateKey>[0],
): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(input);
  } catch {
    throw new RangeError(`must be ${PRIVATE_FORMS}`);
  }
  if (key.asymmetricKeyType !== "ed25519") {
    throw new RangeError(`must be ${PRIVATE_FORMS}`);
  }
  return key;
}

function signingKey(privateKey: KeyObject): SigningKey {
  const publicKey = createPublicKey(privateKey);
  const der = publicKey.export({ format: "der", type: "spki" });
  const raw = der.subarray(SPKI.length);
  return { alg: "EdDSA", kid: keyId(raw), raw, publicKey, privateKey };
}
