// The settings of `vaultbuddy-broker serve`, told once: flag, environment variable, default and form. Names are those
// of vault-gatekeeper where it has one. The tables stand in settings/, by what they are about.

import { listOf, plainText, word } from "@vaultbuddy/common";
import type { SettingTable } from "@vaultbuddy/common/daemon";
import { apiSettings, processSettings } from "./settings/api.ts";
import {
  clusterSettings,
  policySettings,
  taskSettings,
} from "./settings/judgement.ts";
import {
  loginSettings,
  mintSettings,
  vaultSettings,
} from "./settings/vault.ts";

export const serveSettings = {
  ...apiSettings,
  provider: {
    flag: "provider",
    env: "PROVIDER",
    placeholder: "name",
    fallback: "ecs",
    describe: "who says which tasks run",
    parse: word(["ecs"]),
  },
  ...clusterSettings,
  ...policySettings,
  ...taskSettings,
  hmacKeyFiles: {
    flag: "hmac-key-file",
    env: "HMAC_KEY_FILE",
    placeholder: "files",
    required: true,
    describe:
      "files with a master key each (keys generate), separated by commas; all are active",
    parse: listOf(plainText),
  },
  ...vaultSettings,
  ...mintSettings,
  ...loginSettings,
  ...processSettings,
} as const satisfies SettingTable;
