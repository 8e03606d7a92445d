// The signature around a delivery: a JWS in General JSON Serialization (RFC 7515 section 7.2.1) with one signature for
// each active key. It is not a JWT. The receiver decides by its own key which algorithm counts, whatever a header says.

import { createHmac, sign, verify } from "node:crypto";
import type { SigningKey, VerifyingKey } from "../ed25519.ts";
import { Fields, parseJson, ShapeError, text } from "../parse.ts";
import { sameBytes } from "../secret.ts";
import type { FamilyKey } from "../keys.ts";
import { DELIVERY_BYTES } from "./delivery.ts";

/** The most signatures a delivery carries, and so the most keys of one kind that may be active at once. */
export const MOST_SIGNATURES = 16;
const BASE64URL = {
  max: DELIVERY_BYTES,
  pattern: /^[A-Za-z0-9_-]+$/,
  form: "base64url",
};

/** What a broker signs with. */
export type SignWith = FamilyKey | SigningKey;
/** What a container verifies with. */
export type VerifyWith = FamilyKey | VerifyingKey;

/**
 * Signs a payload with every key given, at most {@link MOST_SIGNATURES}. Throws {@link ShapeError} when there are more,
 * or when the result is larger than a receiver reads.
 */
export function signJws(
  payload: Uint8Array,
  keys: readonly SignWith[],
): Buffer {
  if (keys.length > MOST_SIGNATURES) {
    throw new ShapeError(
      "signatures",
      `must be at most ${MOST_SIGNATURES}, one for each active key`,
    );
  }
  const body = Buffer.from(payload).toString("base64url");
  const signatures = keys.map((key) => {
    const header = Buffer.from(
      JSON.stringify({ alg: key.alg, kid: key.kid }),
    ).toString("base64url");
    return {
      protected: header,
      signature: signatureOf(key, `${header}.${body}`).toString("base64url"),
    };
  });
  const written = Buffer.from(JSON.stringify({ payload: body, signatures }));
  if (written.length > DELIVERY_BYTES) {
    throw new ShapeError(
      "",
      `the signed delivery must be at most ${DELIVERY_BYTES} bytes`,
    );
  }
  return written;
}

/**
 * The payload of a JWS that carries a good signature of `key`; undefined when it carries none. Throws
 * {@link ShapeError} when it is no JWS of the one form we use: an unprotected header, a header parameter besides `alg`
 * and `kid` (`crit` among them) or more than 16 signatures.
 */
export function verifyJws(
  bytes: Uint8Array,
  key: VerifyWith,
): Buffer | undefined {
  const fields = new Fields(parseJson(bytes, DELIVERY_BYTES));
  const payload = fields.text("payload", BASE64URL);
  const signatures = fields.list("signatures", MOST_SIGNATURES, parseSignature);
  fields.done();
  const good = signatures.some(
    (one) =>
      one.alg === key.alg &&
      one.kid === key.kid &&
      isGood(key, `${one.protected}.${payload}`, one.signature),
  );
  return good ? Buffer.from(payload, "base64url") : undefined;
}

interface Signature {
  readonly protected: string;
  readonly alg: string;
  readonly kid: string;
  readonly signature: Buffer;
}

function parseSignature(value: unknown, at: string): Signature {
  const fields = new Fields(value, at);
  const header = fields.text("protected", BASE64URL);
  const signature = Buffer.from(
    fields.text("signature", BASE64URL),
    "base64url",
  );
  fields.done();
  const inner = new Fields(
    parseJson(Buffer.from(header, "base64url"), DELIVERY_BYTES),
    `${at}.protected`,
  );
  const alg = text(inner.take("alg"), inner.place("alg"), { max: 20 });
  const kid = text(inner.take("kid"), inner.place("kid"), { max: 64 });
  inner.done();
  return { protected: header, alg, kid, signature };
}

/** RFC 7515 section 5.1: over the two encoded parts with a dot between them. */
function signatureOf(key: SignWith, input: string): Buffer {
  return key.alg === "HS256"
    ? hmac(key, input)
    : sign(null, Buffer.from(input), key.privateKey);
}

/** Which algorithm is computed depends on the receiver's own key and on nothing that was sent. */
function isGood(key: VerifyWith, input: string, signature: Buffer): boolean {
  return key.alg === "HS256"
    ? sameBytes(hmac(key, input), signature)
    : verify(null, Buffer.from(input), key.publicKey, signature);
}

function hmac(key: FamilyKey, input: string): Buffer {
  return createHmac("sha256", key.key.expose()).update(input).digest();
}
