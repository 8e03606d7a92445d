// The settings of `vaultbuddy-broker serve`, told once: flag, environment variable, default and form. Names are those
// of vault-gatekeeper where it has one. The tables stand in settings/, by what they are about.

import { word } from "@vaultbuddy/common";
import type { SettingTable } from "@vaultbuddy/common/daemon";
import { apiSettings, processSettings } from "./settings/api.ts";
import { keySettings } from "./settings/keys.ts";
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
  ...keySettings,
  ...vaultSettings,
  ...mintSettings,
  ...loginSettings,
  ...processSettings,
} as const satisfies SettingTable;
