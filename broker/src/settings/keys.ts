// The settings of the broker's keys, and the forms of what `keys` is asked for.

import { listOf, plainText } from "@vaultbuddy/common";
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
