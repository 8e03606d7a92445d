// Signatures by Ed25519, and that a header never chooses the algorithm: the receiver's own key does.

import { createHmac, sign } from "node:crypto";
import { generalVerify, GeneralSign, importJWK } from "jose";
import { describe, expect, test } from "vitest";
import {
  generateSigningKey,
  parsePublicKey,
  parseSigningKey,
  publicJwk,
  publicPem,
  verifyingKey,
} from "../ed25519.ts";
import { deriveFamilyKey } from "../keys.ts";
import { ShapeError } from "../parse.ts";
import { SecretBytes } from "../secret.ts";
import { MOST_SIGNATURES, signJws, verifyJws } from "./jws.ts";

const jwk = {
  kty: "OKP",
  crv: "Ed25519",
  d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
  x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
};
const pair = parseSigningKey(JSON.stringify(jwk));
const other = generateSigningKey();
const container = verifyingKey(parsePublicKey(publicPem(pair)));
const family = deriveFamilyKey(
  new SecretBytes(Buffer.alloc(32, 1)),
  "123456789012",
  "web",
);
const payload = Buffer.from('{"v":1}');
const encoded = payload.toString("base64url");
const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const header = (value: unknown): string => bytes(value).toString("base64url");

interface Written {
  readonly payload: string;
  readonly signatures: { protected: string; signature: string }[];
}
const written = (signed: Buffer): Written =>
  JSON.parse(signed.toString()) as Written;

/** A JWS with one signature of the test's own making. */
function forged(
  protectedHeader: unknown,
  make: (input: Buffer) => Buffer,
): Buffer {
  const head = header(protectedHeader);
  const signature = make(Buffer.from(`${head}.${encoded}`)).toString(
    "base64url",
  );
  return bytes({
    payload: encoded,
    signatures: [{ protected: head, signature }],
  });
}

describe("Ed25519", () => {
  test("the signature of RFC 8037 appendix A.4 is the one this key makes", () => {
    const input = Buffer.from(
      "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
    );
    expect(sign(null, input, pair.privateKey).toString("base64url")).toBe(
      "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    );
  });

  test("any one of the active pairs opens it, under alg EdDSA and the pair's kid", () => {
    const signed = signJws(payload, [other, pair]);
    expect(verifyJws(signed, container)).toEqual(payload);
    expect(verifyJws(signed, other)).toEqual(payload);
    expect(verifyJws(signed, generateSigningKey())).toBeUndefined();
    expect(
      written(signed).signatures.map(({ protected: one }) =>
        JSON.parse(Buffer.from(one, "base64url").toString()),
      ),
    ).toEqual([
      { alg: "EdDSA", kid: other.kid },
      { alg: "EdDSA", kid: pair.kid },
    ]);
  });

  test("another implementation of RFC 8037 reads ours, and we read its", async () => {
    const ours = written(signJws(payload, [pair]));
    const open = await importJWK(JSON.parse(publicJwk(pair)), "EdDSA");
    const verified = await generalVerify(ours, open, { algorithms: ["EdDSA"] });
    expect(Buffer.from(verified.payload)).toEqual(payload);
    const theirs = await new GeneralSign(payload)
      .addSignature(await importJWK(jwk, "EdDSA"))
      .setProtectedHeader({ alg: "EdDSA", kid: pair.kid })
      .sign();
    expect(verifyJws(bytes(theirs), container)).toEqual(payload);
  });

  test("one flipped bit in payload, header or signature spoils it", () => {
    const good = written(signJws(payload, [pair]));
    const [one = { protected: "", signature: "" }] = good.signatures;
    const flip = (text: string): string => {
      const raw = Buffer.from(text, "base64url");
      raw[1] = (raw[1] ?? 0) ^ 1;
      return raw.toString("base64url");
    };
    expect(verifyJws(bytes(good), container)).toEqual(payload);
    for (const value of [
      { ...good, payload: flip(good.payload) },
      { ...good, signatures: [{ ...one, signature: flip(one.signature) }] },
      { ...good, signatures: [{ ...one, signature: "AA" }] },
    ]) {
      expect(verifyJws(bytes(value), container)).toBeUndefined();
    }
    expect(() =>
      verifyJws(
        bytes({
          ...good,
          signatures: [{ ...one, protected: flip(one.protected) }],
        }),
        container,
      ),
    ).toThrow(ShapeError);
  });
});

describe("the algorithm is the key's, whatever the header says", () => {
  const hmac =
    (key: string | Uint8Array) =>
    (input: Buffer): Buffer =>
      createHmac("sha256", key).update(input).digest();
  const ed25519 = (input: Buffer): Buffer => sign(null, input, pair.privateKey);

  test.each<[string, string | Uint8Array]>([
    ["its 32 bytes", pair.raw],
    ["its PEM", publicPem(pair)],
    ["its JWK", publicJwk(pair)],
    ["its DER", pair.publicKey.export({ format: "der", type: "spki" })],
  ])(
    "an HMAC keyed with the public key as %s opens nothing, under either name",
    (_form, key) => {
      for (const alg of ["HS256", "EdDSA", "HS512", "none"]) {
        const value = forged({ alg, kid: pair.kid }, hmac(key));
        expect(verifyJws(value, container)).toBeUndefined();
      }
    },
  );

  test.each(["HS256", "none", "Ed25519", "ES256", "eddsa", "EdDSA "])(
    "a good signature by the right pair under alg %j is none",
    (alg) => {
      const value = forged({ alg, kid: pair.kid }, ed25519);
      expect(verifyJws(value, container)).toBeUndefined();
    },
  );

  test("a holder of an HMAC key takes no EdDSA signature, good or forged", () => {
    for (const make of [ed25519, hmac(family.key.expose())]) {
      const value = forged({ alg: "EdDSA", kid: family.kid }, make);
      expect(verifyJws(value, family)).toBeUndefined();
    }
    expect(verifyJws(signJws(payload, [pair]), family)).toBeUndefined();
    expect(verifyJws(signJws(payload, [family]), container)).toBeUndefined();
  });

  test("another kid, or a key inside the header, opens nothing", () => {
    const value = forged({ alg: "EdDSA", kid: other.kid }, ed25519);
    expect(verifyJws(value, container)).toBeUndefined();
    const carried = {
      alg: "EdDSA",
      kid: pair.kid,
      jwk: JSON.parse(publicJwk(other)) as unknown,
    };
    expect(() => verifyJws(forged(carried, ed25519), container)).toThrow(
      ShapeError,
    );
  });
});

test("more signatures than a receiver reads are not made", () => {
  const many = Array.from({ length: MOST_SIGNATURES }, () => other);
  expect(verifyJws(signJws(payload, many), other)).toEqual(payload);
  expect(() => signJws(payload, [...many, pair])).toThrow(ShapeError);
});
