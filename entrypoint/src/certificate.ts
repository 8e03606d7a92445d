// The certificate of a container that holds nothing but a public key: self-signed, made at start, gone with the process.
// Nobody trusts it. The broker names its hash in the signed delivery, and that binds the delivery to this very channel.
// X.509 (RFC 5280) has one shape here, so that forty lines of DER (X.690) do for a library of hundreds of kilobytes.

import { generateKeyPairSync, hash, sign } from "node:crypto";
import { certificateHash } from "@vaultbuddy/common";

/** A certificate and its key, as TLS takes them. */
export interface Identity {
  /** PKCS#8 PEM. */
  readonly key: string;
  /** PEM. */
  readonly cert: string;
  /** As a delivery names it: base64url SHA-256 of the DER. */
  readonly hash: string;
}

const TAG = {
  integer: 0x02,
  bits: 0x03,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalTime: 0x18,
} as const;
/** OIDs with their tag and length: 2.5.4.3 and 1.2.840.10045.4.3.2. */
const COMMON_NAME = Buffer.from("0603550403", "hex");
const ECDSA_SHA256 = Buffer.from("06082a8648ce3d040302", "hex");

/** Makes a key on P-256 and a certificate for it. */
export function makeIdentity(): Identity {
  const { publicKey, privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
  });
  const spki = publicKey.export({ format: "der", type: "spki" });
  const algorithm = der(TAG.sequence, ECDSA_SHA256);
  const name = der(
    TAG.sequence,
    der(
      TAG.set,
      der(
        TAG.sequence,
        COMMON_NAME,
        der(TAG.utf8, Buffer.from("vaultbuddy-entrypoint")),
      ),
    ),
  );
  // Version 1, as section 4.1.2.1 asks for where there is no extension.
  const content = der(
    TAG.sequence,
    der(TAG.integer, serialOf(spki)),
    algorithm,
    name,
    der(
      TAG.sequence,
      der(TAG.utcTime, Buffer.from("000101000000Z")),
      // Section 4.1.2.5: there is no date at which it is to end. It ends with the process.
      der(TAG.generalTime, Buffer.from("99991231235959Z")),
    ),
    name,
    spki,
  );
  const signature = sign("sha256", content, privateKey);
  const certificate = der(
    TAG.sequence,
    content,
    algorithm,
    der(TAG.bits, Buffer.from([0]), signature),
  );
  return {
    key: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
    cert: pem(certificate),
    hash: certificateHash(certificate),
  };
}

/** Sixteen bytes that no other key has; never negative, and its first byte is not zero. */
function serialOf(spki: Buffer): Buffer {
  const serial = hash("sha256", spki, "buffer").subarray(0, 16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80
      ? [length]
      : length < 0x100
        ? [0x81, length]
        : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function pem(certificate: Buffer): string {
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  return [
    "-----BEGIN CERTIFICATE-----",
    ...lines,
    "-----END CERTIFICATE-----",
    "",
  ].join("\n");
}
