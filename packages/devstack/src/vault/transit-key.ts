// Vault's stand-in, a key of the transit engine: its versions, and what it makes of a text.

import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { Reply } from "./backend.ts";
import { failed, refuse } from "./fault.ts";
import type { Fields } from "./fields.ts";
import type { JsonObject } from "./json.ts";

export interface TransitKey {
  readonly name: string;
  readonly type: string;
  /** Version 1 first, with the second it was made in. */
  readonly versions: { readonly key: Buffer; readonly made: number }[];
  minDecryption: number;
  minEncryption: number;
  deletionAllowed: boolean;
}

const SIZES: Readonly<Record<string, number>> = {
  "aes128-gcm96": 16,
  "aes256-gcm96": 32,
};
const NONCE = 12;
const TAG = 16;

/** A key with its first version; `now` in milliseconds. */
export function newKey(name: string, type: string, now: number): TransitKey {
  if (SIZES[type] === undefined) throw refuse(`unknown key type ${type}`);
  const key: TransitKey = {
    name,
    type,
    versions: [],
    minDecryption: 1,
    minEncryption: 0,
    deletionAllowed: false,
  };
  rotateKey(key, now);
  return key;
}

/** Adds a version; `now` in milliseconds. */
export function rotateKey(key: TransitKey, now: number): void {
  key.versions.push({
    key: randomBytes(SIZES[key.type] ?? 32),
    made: Math.floor(now / 1000),
  });
}

export function configureKey(key: TransitKey, fields: Fields): void {
  const latest = key.versions.length;
  if (fields.has("min_decryption_version")) {
    const version = Math.max(fields.integer("min_decryption_version"), 1);
    if (version > latest)
      throw refuse(
        `cannot set min decryption version of ${version}, latest key version is ${latest}`,
      );
    key.minDecryption = version;
  }
  if (fields.has("min_encryption_version")) {
    const version = fields.integer("min_encryption_version");
    if (version > latest)
      throw refuse(
        `cannot set min encryption version of ${version}, latest key version is ${latest}`,
      );
    key.minEncryption = version;
  }
  key.deletionAllowed = fields.boolean("deletion_allowed", key.deletionAllowed);
}

export function describeKey(key: TransitKey | undefined): Reply | undefined {
  if (key === undefined) return undefined;
  const { versions } = key;
  return {
    data: {
      name: key.name,
      type: key.type,
      derived: false,
      deletion_allowed: key.deletionAllowed,
      min_available_version: 0,
      min_decryption_version: key.minDecryption,
      min_encryption_version: key.minEncryption,
      latest_version: versions.length,
      exportable: false,
      allow_plaintext_backup: false,
      supports_encryption: true,
      supports_decryption: true,
      supports_signing: false,
      supports_derivation: true,
      keys: Object.fromEntries(
        versions.map(({ made }, at) => [String(at + 1), made]),
      ),
    },
  };
}

/** Encrypts base64 with a version of the key, 0 for the latest. */
export function encryptOne(
  key: TransitKey,
  plaintext: string,
  wanted: number,
): JsonObject {
  const bytes = fromBase64(plaintext);
  const version = wanted === 0 ? key.versions.length : wanted;
  if (version > key.versions.length)
    throw refuse(
      "requested version for encryption is higher than the latest key version",
    );
  if (version < key.minEncryption)
    throw refuse(
      "requested version for encryption is less than the minimum encryption key version",
    );
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv(algorithm(key), keyOf(key, version), nonce);
  const sealed = [nonce, cipher.update(bytes), cipher.final()];
  const all = Buffer.concat([...sealed, cipher.getAuthTag()]);
  return {
    ciphertext: `vault:v${version}:${all.toString("base64")}`,
    key_version: version,
  };
}

/** The text in a ciphertext, as base64. */
export function decryptOne(key: TransitKey, ciphertext: string): string {
  if (!ciphertext.startsWith("vault:v"))
    throw refuse("invalid ciphertext: no prefix");
  const [, digits = "", encoded] =
    /^vault:v([^:]*):(.*)$/s.exec(ciphertext) ?? [];
  if (encoded === undefined)
    throw refuse("invalid ciphertext: wrong number of fields");
  if (!/^\d+$/.test(digits))
    throw refuse("invalid ciphertext: version number could not be decoded");
  const version = Number(digits) || 1;
  if (version > key.versions.length)
    throw refuse("invalid ciphertext: version is too new");
  if (version < key.minDecryption)
    throw refuse(
      "ciphertext or signature version is disallowed by policy (too old)",
    );
  const bytes = Buffer.from(encoded, "base64");
  if (bytes.toString("base64") !== encoded)
    throw refuse("invalid ciphertext: could not decode base64");
  if (bytes.length < NONCE + TAG) throw refuse("invalid ciphertext length");
  const decipher = createDecipheriv(
    algorithm(key),
    keyOf(key, version),
    bytes.subarray(0, NONCE),
  );
  decipher.setAuthTag(bytes.subarray(-TAG));
  const opened = decipher.update(bytes.subarray(NONCE, -TAG));
  try {
    return Buffer.concat([opened, decipher.final()]).toString("base64");
  } catch {
    throw refuse("cipher: message authentication failed");
  }
}

function algorithm({ type }: TransitKey): "aes-128-gcm" | "aes-256-gcm" {
  return type === "aes128-gcm96" ? "aes-128-gcm" : "aes-256-gcm";
}

function keyOf({ versions }: TransitKey, version: number): Buffer {
  const found = versions[version - 1];
  if (found === undefined) throw failed("key version not found");
  return found.key;
}

/** Go's decoder names the first byte that it could not take. */
function fromBase64(text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") === text) return bytes;
  const [good = ""] = /^[A-Za-z0-9+/]*/.exec(text) ?? [];
  const at =
    good.length === text.length ? text.length - (text.length % 4) : good.length;
  throw refuse(`illegal base64 data at input byte ${at}`);
}
