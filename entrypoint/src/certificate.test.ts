// The certificate is one by the judgement of two other readers of DER, and no two are alike.

import { execFileSync } from "node:child_process";
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { makeIdentity } from "./certificate.ts";

test("it is a self-signed certificate on P-256 for the key that comes with it", () => {
  const { key, cert, hash } = makeIdentity();
  const read = new X509Certificate(cert);
  expect(read.verify(read.publicKey)).toBe(true);
  expect(read.checkPrivateKey(createPrivateKey(key))).toBe(true);
  expect(read.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
  expect(read.subject).toBe("CN=vaultbuddy-entrypoint");
  expect(read.issuer).toBe(read.subject);
  expect(read.validTo).toContain("9999");
  expect(createHash("sha256").update(read.raw).digest("base64url")).toBe(hash);
});

test("OpenSSL reads the same out of it, and verifies its signature", () => {
  const { cert } = makeIdentity();
  const text = execFileSync("openssl", ["x509", "-noout", "-text"], {
    input: cert,
  }).toString();
  expect(text).toContain("Version: 1 (0x0)");
  expect(text).toContain("ecdsa-with-SHA256");
  expect(text).toContain("ASN1 OID: prime256v1");
  const parsed = execFileSync("openssl", ["asn1parse"], {
    input: cert,
  }).toString();
  expect(parsed).toMatch(/UTCTIME +:000101000000Z/);
  expect(parsed).toMatch(/GENERALIZEDTIME +:99991231235959Z/);
});

test("no two are alike, and every one of many can be read", () => {
  // Signatures and serials differ in length and leading bits: where DER is written wrongly it shows in one of a hundred.
  const made = Array.from({ length: 300 }, makeIdentity);
  const serials = made.map(({ cert }) => {
    const read = new X509Certificate(cert);
    expect(read.verify(read.publicKey)).toBe(true);
    return read.serialNumber;
  });
  expect(new Set(serials).size).toBe(300);
  expect(new Set(made.map(({ hash }) => hash)).size).toBe(300);
  expect(serials.every((serial) => /^[4-7][0-9A-F]{31}$/.test(serial))).toBe(
    true,
  );
});
