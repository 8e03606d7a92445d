// The settings of the broker's keys, and those of the `keys` commands.

import { boolean, listOf, plainText, word } from "@vaultbuddy/common";
import type { SettingTable } from "@vaultbuddy/common/daemon";

export const keySettings = {
  hmacKeyFiles: {
    flag: "hmac-key-file",
    env: "HMAC_KEY_FILE",
    placeholder: "files",
    describe:
      "files of master keys (keys generate), one a line, separated by commas; all are active; read again on SIGHUP",
    parse: listOf(plainText),
  },
  signingKeyFiles: {
    flag: "signing-key-file",
    env: "SIGNING_KEY_FILE",
    placeholder: "files",
    describe:
      "files of Ed25519 private keys (keys generate --ed25519), PKCS#8 PEM or JWK, separated by commas; all are active; read again on SIGHUP",
    parse: listOf(plainText),
  },
} as const satisfies SettingTable;

const force = {
  flag: "force",
  env: "KEYS_FORCE",
  placeholder: "bool",
  fallback: "false",
  describe: "replace files that are there already",
  parse: boolean,
} as const;

export const generateSettings = {
  ed25519: {
    flag: "ed25519",
    env: "KEYS_ED25519",
    placeholder: "bool",
    fallback: "false",
    describe: "make an Ed25519 pair instead of a master key",
    parse: boolean,
  },
  out: {
    flag: "out",
    env: "KEYS_OUT",
    placeholder: "file",
    describe:
      "write it to this file, for its owner only, instead of printing it; of a pair also the public half, to FILE.pub",
    parse: plainText,
  },
  force,
} as const satisfies SettingTable;

export const publicSettings = {
  signingKeyFile: {
    flag: "signing-key-file",
    env: "SIGNING_KEY_FILE",
    placeholder: "file",
    required: true,
    describe: "the file with the private key",
    parse: plainText,
  },
  form: {
    flag: "form",
    env: "PUBLIC_KEY_FORM",
    placeholder: "form",
    fallback: "jwk",
    describe: "jwk (one line) or pem",
    parse: word(["jwk", "pem"]),
  },
} as const satisfies SettingTable;

export const deriveSettings = {
  masterFile: {
    flag: "hmac-key-file",
    env: "HMAC_KEY_FILE",
    placeholder: "file",
    required: true,
    describe: "the file with the one master key that containers are to go by",
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
  families: {
    flag: "family",
    env: "TASK_FAMILY",
    placeholder: "names",
    required: true,
    describe: "the task definition families, separated by commas",
    parse: listOf((text: string): string => {
      if (!/^[A-Za-z0-9_-]{1,255}$/.test(text)) {
        throw new Error(
          "must be task definition families: letters, digits, - and _, separated by commas",
        );
      }
      return text;
    }),
  },
  form: {
    flag: "form",
    env: "KEYS_FORM",
    placeholder: "form",
    fallback: "print",
    describe:
      "print; host: a file for each family, to be mounted; compose: those and a Compose file that names them; ecs: input for the AWS CLI, for Secrets Manager",
    parse: word(["print", "host", "compose", "ecs"]),
  },
  out: {
    flag: "out",
    env: "KEYS_OUT",
    placeholder: "directory",
    describe: "where to write, for its owner only; not with --form print",
    parse: plainText,
  },
  force,
} as const satisfies SettingTable;
