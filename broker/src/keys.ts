// `vaultbuddy-broker keys`: makes masters and derives what containers hold. Prints keys and nothing else, so that its
// output can be redirected into a file.

import { deriveFamilyKey, parseKey, plainText } from "@vaultbuddy/common";
import type { SettingTable } from "@vaultbuddy/common/daemon";

/** The settings of `keys derive`. */
export const deriveSettings = {
  masterFile: {
    flag: "hmac-key-file",
    env: "HMAC_KEY_FILE",
    placeholder: "file",
    required: true,
    describe: "the file with the master key",
    parse: plainText,
  },
  account: {
    flag: "account",
    env: "AWS_ACCOUNT_ID",
    placeholder: "digits",
    required: true,
    describe: "the AWS account the tasks run in",
    parse: (text: string): string => {
      if (!/^[0-9]{12}$/.test(text)) {
        throw new Error("must be the twelve digits of an AWS account");
      }
      return text;
    },
  },
  family: {
    flag: "family",
    env: "TASK_FAMILY",
    placeholder: "name",
    required: true,
    describe: "the task definition family",
    parse: (text: string): string => {
      if (!/^[A-Za-z0-9_-]{1,255}$/.test(text)) {
        throw new Error(
          "must be a task definition family: letters, digits, - and _",
        );
      }
      return text;
    },
  },
} as const satisfies SettingTable;

/** A new master key as base64url text: 32 random bytes. */
export function generateMaster(randomBytes: (size: number) => Buffer): string {
  return randomBytes(32).toString("base64url");
}

/** The key of one family as a container holds it, base64url. Throws RangeError for a malformed master. */
export function deriveForContainer(
  master: string,
  account: string,
  family: string,
): string {
  return deriveFamilyKey(parseKey(master), account, family)
    .key.expose()
    .toString("base64url");
}
