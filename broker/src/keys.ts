// `vaultbuddy-broker keys`: makes masters and derives what containers hold. Prints keys and nothing else, so that its
// output can be redirected into a file.

import { deriveFamilyKey, parseKey } from "@vaultbuddy/common";

/** A new master key as base64url text: 32 random bytes. */
export function generateMaster(randomBytes: (size: number) => Buffer): string {
  return randomBytes(32).toString("base64url");
}

/** The key of one family as a container holds it, base64url. Throws RangeError for a malformed master or name. */
export function deriveForContainer(
  master: string,
  account: string,
  family: string,
): string {
  if (!/^[0-9]{12}$/.test(account)) {
    throw new RangeError(
      "--account must be the twelve digits of an AWS account",
    );
  }
  if (!/^[A-Za-z0-9_-]{1,255}$/.test(family)) {
    throw new RangeError(
      "--family must be a task definition family: letters, digits, - and _",
    );
  }
  return deriveFamilyKey(parseKey(master), account, family)
    .key.expose()
    .toString("base64url");
}
