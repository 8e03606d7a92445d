// Vault's stand-in, certificates: X.509 version 3 (RFC 5280) in DER (X.690), as much of it as an authority needs that
// signs for itself and for servers and clients.

import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from "node:crypto";
import type { KeyObject } from "node:crypto";
import { isIP } from "node:net";

/** What a certificate is to say. Times in milliseconds. */
export interface Subject {
  readonly commonName: string;
  /** Names and addresses that it also holds for. */
  readonly names: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
  readonly authority: boolean;
  readonly server: boolean;
  readonly client: boolean;
}

/** A certificate with its key. */
export interface Certified {
  readonly commonName: string;
  readonly key: KeyObject;
  readonly der: Buffer;
  /** As Vault writes it: hexadecimal with colons. */
  readonly serial: string;
  /** Milliseconds. */
  readonly notAfter: number;
}

const OID = {
  commonName: "550403",
  ecdsaSha256: "2a8648ce3d040302",
  rsaSha256: "2a864886f70d01010b",
  subjectKeyId: "551d0e",
  keyUsage: "551d0f",
  alternativeNames: "551d11",
  basicConstraints: "551d13",
  authorityKeyId: "551d23",
  extendedKeyUsage: "551d25",
  serverAuth: "2b06010505070301",
  clientAuth: "2b06010505070302",
} as const;

/** A new key. Vault's roles know `rsa` and `ec`, and of the latter's curves 256, 384 and 521. */
export function makeKey(type: string, bits: number): KeyObject {
  if (type === "ec")
    return generateKeyPairSync("ec", {
      namedCurve: { 384: "P-384", 521: "P-521" }[bits] ?? "P-256",
    }).privateKey;
  return generateKeyPairSync("rsa", { modulusLength: bits || 2048 }).privateKey;
}

/** Makes a certificate for a key, signed by an authority or by itself. */
export function certify(
  subject: Subject,
  key: KeyObject,
  authority?: Certified,
): Certified {
  const serial = randomBytes(20);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x01;
  const signer = authority?.key ?? key;
  const algorithm =
    signer.asymmetricKeyType === "rsa"
      ? sequence(oid(OID.rsaSha256), der(0x05))
      : sequence(oid(OID.ecdsaSha256));
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    algorithm,
    nameOf(authority?.commonName ?? subject.commonName),
    sequence(timeOf(subject.notBefore), timeOf(subject.notAfter)),
    nameOf(subject.commonName),
    spkiOf(key),
    der(0xa3, sequence(...extensions(subject, key, signer))),
  );
  const signature = sign("sha256", content, signer);
  return {
    commonName: subject.commonName,
    key,
    der: sequence(content, algorithm, der(0x03, Buffer.from([0]), signature)),
    serial: serial.toString("hex").match(/../g)?.join(":") ?? "",
    notAfter: subject.notAfter,
  };
}

/** A certificate as PEM, without a line break at its end, as Vault has it. */
export function pemOf({ der: bytes }: Pick<Certified, "der">): string {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return [
    "-----BEGIN CERTIFICATE-----",
    ...lines,
    "-----END CERTIFICATE-----",
  ].join("\n");
}

function extensions(
  subject: Subject,
  key: KeyObject,
  signer: KeyObject,
): Buffer[] {
  // keyCertSign and cRLSign, or digitalSignature, keyEncipherment and keyAgreement.
  const usage = subject.authority ? [1, 0x06] : [3, 0xa8];
  const purposes = [
    ...(subject.server ? [oid(OID.serverAuth)] : []),
    ...(subject.client ? [oid(OID.clientAuth)] : []),
  ];
  return [
    extension(OID.keyUsage, true, der(0x03, Buffer.from(usage))),
    ...(subject.authority
      ? [
          extension(
            OID.basicConstraints,
            true,
            sequence(der(0x01, Buffer.from([0xff]))),
          ),
        ]
      : purposes.length === 0
        ? []
        : [extension(OID.extendedKeyUsage, false, sequence(...purposes))]),
    extension(OID.subjectKeyId, false, der(0x04, keyId(key))),
    extension(OID.authorityKeyId, false, sequence(der(0x80, keyId(signer)))),
    ...(subject.names.length === 0
      ? []
      : [
          extension(
            OID.alternativeNames,
            false,
            sequence(...subject.names.map((name) => alternative(name))),
          ),
        ]),
  ];
}

function extension(id: string, critical: boolean, content: Buffer): Buffer {
  return sequence(
    oid(id),
    ...(critical ? [der(0x01, Buffer.from([0xff]))] : []),
    der(0x04, content),
  );
}

function alternative(name: string): Buffer {
  if (isIP(name) === 4)
    return der(0x87, Buffer.from(name.split(".").map(Number)));
  if (isIP(name) === 6) return der(0x87, addressOf(name));
  return der(0x82, Buffer.from(name));
}

/** The 16 bytes of an IPv6 address. */
function addressOf(address: string): Buffer {
  const [head = "", tail] = address.split("::");
  const groups = (part = ""): string[] => (part === "" ? [] : part.split(":"));
  const [first, last] = [groups(head), groups(tail)];
  const middle = Array.from(
    { length: 8 - first.length - last.length },
    () => "0",
  );
  const all = [...first, ...(tail === undefined ? [] : middle), ...last];
  return Buffer.from(
    all.map((group) => group.padStart(4, "0")).join(""),
    "hex",
  );
}

function spkiOf(key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: "der", type: "spki" });
}

/** As RFC 5280 proposes, though over the whole public key: it only has to differ. */
function keyId(key: KeyObject): Buffer {
  return createHash("sha1").update(spkiOf(key)).digest();
}

function nameOf(commonName: string): Buffer {
  return sequence(
    der(
      0x31,
      sequence(oid(OID.commonName), der(0x0c, Buffer.from(commonName))),
    ),
  );
}

function timeOf(at: number): Buffer {
  const digits = new Date(at).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  // RFC 5280 section 4.1.2.5: two digits for the year up to 2049.
  return digits < "2050"
    ? der(0x17, Buffer.from(digits.slice(2)))
    : der(0x18, Buffer.from(digits));
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, "hex"));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts);
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
