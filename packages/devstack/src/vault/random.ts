// Vault's stand-in, made-up names: tokens, accessors and identifiers in the shapes that Vault 1.8 gives them.

import { randomBytes, randomInt, randomUUID } from "node:crypto";

const letters =
  "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** Random letters and digits, all equally likely. */
export function base62(length: number): string {
  let text = "";
  for (let at = 0; at < length; at += 1)
    text += letters[randomInt(letters.length)] ?? "";
  return text;
}

export function serviceTokenId(): string {
  return `s.${base62(24)}`;
}

export function batchTokenId(): string {
  return `b.${randomBytes(102).toString("base64url")}`;
}

export function accessorId(): string {
  return base62(24);
}

export function uuid(): string {
  return randomUUID();
}

/** A key of 32 bytes, in the hexadecimal that `vault operator unseal` takes. */
export function unsealKeyHex(): string {
  return randomBytes(32).toString("hex");
}
