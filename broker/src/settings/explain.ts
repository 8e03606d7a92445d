// The settings of `policy explain`: those of `serve` on which a judgement depends, under the same names, so that the
// broker's own environment explains what that broker does. What only a broker that serves needs is not asked for.

import type { SettingTable } from "@vaultbuddy/common/daemon";
import { clusterSettings, policySettings, taskSettings } from "./judgement.ts";
import { loginSettings, mintSettings, vaultSettings } from "./vault.ts";

const { required: _clusters, ...clusters } = clusterSettings.clusters;
const { required: _vault, ...vault } = vaultSettings.vault;
const { policies, policiesNested, policiesFile } = policySettings;
const { tokenRole, wrapTtl } = mintSettings;

export const explainSettings = {
  policies,
  policiesNested,
  policiesFile,
  clusters: {
    ...clusters,
    describe: `${clusters.describe} (default: every one)`,
  },
  ...taskSettings,
  tokenRole,
  wrapTtl,
  ...vaultSettings,
  vault: {
    ...vault,
    describe: `${vault.describe} (with --policies only)`,
  },
  ...loginSettings,
} as const satisfies SettingTable;
