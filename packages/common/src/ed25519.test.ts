// Pairs are read in every form they are written in, and a container never accepts the private half of one.

import { generateKeyPairSync } from "node:crypto";
import { inspect } from "node:util";
import fc from "fast-check";
import { exportJWK, exportPKCS8, exportSPKI, generateKeyPair } from "jose";
import { expect, test } from "vitest";
import {
  generateSigningKey,
  parsePublicKey,
  parseSigningKey,
  privatePem,
  publicJwk,
  publicPem,
  verifyingKey,
} from "./ed25519.ts";

/** RFC 8037 appendix A.1. */
const rfc = {
  kty: "OKP",
  crv: "Ed25519",
  d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
  x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
};
const { d: _, ...rfcPublic } = rfc;

test("the pair of RFC 8037 is read, and its id is of the 32 raw public bytes", () => {
  const pair = parseSigningKey(JSON.stringify(rfc));
  // sha256sum of the 32 bytes of x
  expect(pair.kid).toBe("21fe31dfa154a261");
  expect(Buffer.from(pair.raw).toString("base64url")).toBe(rfc.x);
  expect(verifyingKey(parsePublicKey(JSON.stringify(rfcPublic))).kid).toBe(
    pair.kid,
  );
});

test("a pair that was made here is read again in each of its forms", () => {
  const pair = generateSigningKey();
  expect(parseSigningKey(`\n${privatePem(pair)}\n`).kid).toBe(pair.kid);
  for (const form of [publicPem(pair), publicJwk(pair)]) {
    expect(Buffer.from(parsePublicKey(` ${form} `))).toEqual(
      Buffer.from(pair.raw),
    );
  }
  expect(publicJwk(pair)).not.toContain("\n");
  expect(generateSigningKey().kid).not.toBe(pair.kid);
});

test("what another implementation writes is read, unknown members of a JWK and lines of any length included", async () => {
  const { privateKey, publicKey } = await generateKeyPair("Ed25519", {
    extractable: true,
  });
  const jwk = { ...(await exportJWK(privateKey)), kid: "x", alg: "EdDSA" };
  const { kid } = parseSigningKey(JSON.stringify(jwk));
  expect(parseSigningKey(await exportPKCS8(privateKey)).kid).toBe(kid);
  const spki = await exportSPKI(publicKey);
  const folded = spki.replace(/([A-Za-z0-9+/]{20})/, "$1\r\n");
  const open = { ...(await exportJWK(publicKey)), use: "sig", "x-more": [1] };
  for (const form of [spki, folded, JSON.stringify(open)]) {
    expect(verifyingKey(parsePublicKey(form)).kid).toBe(kid);
  }
});

const pem = (type: "ed448" | "x25519"): { public: string; private: string } => {
  const pair = generateKeyPairSync(type as "ed448");
  return {
    public: pair.publicKey.export({ format: "pem", type: "spki" }).toString(),
    private: pair.privateKey
      .export({ format: "pem", type: "pkcs8" })
      .toString(),
  };
};

test.each<[string, string]>([
  ["nothing", ""],
  ["an HMAC key", "PPdRfsVlbj5U9fa46RKkketChkYaZ1HsDQnA8dA1ZeQ"],
  ["a private JWK", JSON.stringify(rfc)],
  ["a private JWK without its value", JSON.stringify({ ...rfc, d: "" })],
  ["a private PEM", privatePem(parseSigningKey(JSON.stringify(rfc)))],
  ["another curve's PEM", pem("ed448").public],
  ["a key for agreement", pem("x25519").public],
  ["another curve's JWK", JSON.stringify({ ...rfcPublic, crv: "X25519" })],
  ["another type of JWK", JSON.stringify({ ...rfcPublic, kty: "oct" })],
  ["a JWK for encryption", JSON.stringify({ ...rfcPublic, use: "enc" })],
  ["a JWK for HS256", JSON.stringify({ ...rfcPublic, alg: "HS256" })],
  ["a JWK with a short x", JSON.stringify({ ...rfcPublic, x: "AAAA" })],
  ["a JWK with padding", JSON.stringify({ ...rfcPublic, x: `${rfc.x}=` })],
  ["half a JWK", '{"kty":"OKP"'],
  ["two PEMs", publicPem(generateSigningKey()).repeat(2)],
  ["a cut PEM", publicPem(generateSigningKey()).replace(/.{8}\n-/, "\n-")],
])("%s is no public key, and is not repeated", (_name, text) => {
  let message = "";
  try {
    parsePublicKey(text);
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError);
    message = error instanceof Error ? error.message : "";
  }
  expect(message).toContain("Ed25519 public key");
  expect(message).not.toContain(rfc.d);
});

test.each<[string, string]>([
  ["nothing", ""],
  ["a public JWK", JSON.stringify(rfcPublic)],
  ["a public PEM", publicPem(generateSigningKey())],
  ["another curve's PEM", pem("ed448").private],
  ["a pair whose halves differ", JSON.stringify({ ...rfc, x: rfc.d })],
  [
    "an encrypted PEM",
    generateKeyPairSync("ed25519")
      .privateKey.export({
        format: "pem",
        type: "pkcs8",
        cipher: "aes-256-cbc",
        passphrase: "p",
      })
      .toString(),
  ],
  [
    "a PEM of nothing",
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
  ],
])("%s is no private key, and is not repeated", (_name, text) => {
  let thrown: unknown;
  try {
    parseSigningKey(text);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(RangeError);
  expect(inspect(thrown)).not.toContain(rfc.d);
});

test("no text at all makes either reader throw anything but a RangeError", () => {
  const words = fc.constantFrom(
    "{",
    '{"kty":"OKP","crv":"Ed25519","x":',
    "-----BEGIN PUBLIC KEY-----\n",
    "-----END PUBLIC KEY-----",
    "null",
    "}",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.array(words).map((w) => w.join("")),
      ),
      (text) =>
        [parsePublicKey, parseSigningKey].every((read) => {
          try {
            read(text);
            return false;
          } catch (error) {
            return error instanceof RangeError;
          }
        }),
    ),
  );
});

test("a pair shows nothing of its private half when it is printed", () => {
  const pair = parseSigningKey(JSON.stringify(rfc));
  const shown = `${inspect(pair, { depth: 9, showHidden: true })}${JSON.stringify(pair)}`;
  expect(shown).not.toContain(rfc.d);
  expect(shown).not.toContain(
    Buffer.from(rfc.d, "base64url").toString("base64").slice(0, 20),
  );
});
