// `policy explain` and `policy check` as commands: settings in, text or JSON out, and an exit code that a script can go
// by: 0 would be served, 1 would be denied, 2 it cannot be said.

import type { Clock } from "@vaultbuddy/common";
import { readSettings, SettingsError } from "@vaultbuddy/common/daemon";
import type { SettingsOf } from "@vaultbuddy/common/daemon";
import type { Command } from "commander";
import { policyPlace, readCa, reason } from "../config.ts";
import { openEcs } from "../ecs.ts";
import { LoginFault } from "../login.ts";
import { chooseLogin } from "../login/choose.ts";
import { vaultSource } from "../policies/documents.ts";
import { loadPolicies, loadPolicy } from "../policy.ts";
import type { Policy } from "../policy.ts";
import type { ClusterPattern } from "../policy/cluster.ts";
import { explainSettings } from "../settings/explain.ts";
import { openVaultApi } from "../vault/api.ts";
import { openKv } from "../vault/kv.ts";
import { VaultTransport } from "../vault/transport.ts";
import { explain } from "./explain.ts";
import { renderExplanation } from "./render.ts";
import { readTarget } from "./target.ts";
import type { Target } from "./target.ts";

/** What the process lends. */
export interface CommandDeps {
  readonly env: NodeJS.ProcessEnv;
  readonly read: (path: string) => string;
  readonly print: (line: string) => void;
  readonly clock: Clock;
}

/** How the answer is wanted. */
export interface AnswerForm {
  readonly json?: true;
}

/** What is asked besides the target. */
export interface ExplainForm extends AnswerForm {
  readonly container?: string;
  readonly cluster?: string;
}

type Settings = SettingsOf<typeof explainSettings>;

/** How long ECS may take for everything, in milliseconds. */
const PATIENCE = 20_000;

/** Runs `policy explain`; answers the exit code 0 or 1. Throws for everything that makes it 2. */
export async function runExplain(
  text: string,
  form: ExplainForm,
  command: Command,
  deps: CommandDeps,
): Promise<number> {
  const target = faulty("the target", () => readTarget(text));
  const settings = readSettings(explainSettings, command, deps.env);
  const policy = await loadAny(settings, deps);
  const ecs = openEcs({ clock: deps.clock });
  try {
    const explanation = await explain(target, {
      policy,
      defaults: settings,
      options: {
        ...settings,
        clusters: settings.clusters ?? ownCluster(target),
      },
      ecs: () => ecs,
      signal: AbortSignal.timeout(PATIENCE),
      container: form.container,
      cluster: form.cluster,
    });
    const lines =
      form.json === true
        ? [JSON.stringify(explanation, undefined, 2)]
        : renderExplanation(explanation);
    // In one write: whoever reads the first lines only must not meet an error.
    deps.print(lines.join("\n"));
    return explanation.served ? 0 : 1;
  } finally {
    await ecs.close();
  }
}

/** Runs `policy check`; answers the exit code. Throws PolicyError, and the system's error for a file it cannot read. */
export function runCheck(
  file: string,
  form: AnswerForm,
  { read, print }: CommandDeps,
): number {
  const document = faulty(`${file}:`, () => read(file));
  const { rules } = loadPolicy(document, file);
  const patterns = rules.map(({ pattern }) => pattern);
  print(
    form.json === true
      ? JSON.stringify({ file, rules: patterns }, undefined, 2)
      : `${file}: ${rules.length} rule(s), no fault`,
  );
  return 0;
}

async function loadAny(settings: Settings, deps: CommandDeps): Promise<Policy> {
  const place = faulty("the policy:", () => policyPlace(settings, deps.read));
  return place.kind === "file"
    ? place.policy
    : await loadFromVault(settings, place.path, deps);
}

/** Reads the policy as the broker would, with a login of its own that ends with it. */
async function loadFromVault(
  settings: Settings,
  path: string,
  { read, clock }: CommandDeps,
): Promise<Policy> {
  const { vault, wrappedToken, wrappedTokenFile, cubbyToken } = settings;
  if (vault === undefined) {
    throw new LoginFault("--vault (VAULT_ADDR) is required with --policies");
  }
  if ((wrappedToken ?? wrappedTokenFile ?? cubbyToken) !== undefined) {
    throw new LoginFault(
      "a login that works once is the broker's own: explain with VAULT_TOKEN and a token that may read the policy",
    );
  }
  const transport = new VaultTransport({
    addr: vault,
    namespace: settings.namespace,
    ca: faulty("--ca-cert", () => readCa(settings.caCert, read)),
    timeout: settings.vaultTimeout,
  });
  try {
    const method = faulty("the Vault login:", () =>
      chooseLogin(settings, read),
    )(clock);
    const api = openVaultApi(transport);
    const own = await method.login(api, silent);
    const source = vaultSource({
      kv: openKv(transport),
      token: () => own.token,
      path,
      nested: settings.policiesNested,
      refresh: 0,
    });
    const documents = await source.documents();
    if (method.repeatable) {
      // A token of this login's own; one that was given stays.
      await transport.ask({
        method: "POST",
        path: "auth/token/revoke-self",
        token: own.token,
      });
    }
    return loadPolicies(documents, source.name);
  } finally {
    await transport.close();
  }
}

/** What is wrong with a setting is told as such. Throws SettingsError. */
function faulty<Value>(place: string, work: () => Value): Value {
  try {
    return work();
  } catch (error) {
    throw new SettingsError([`${place} ${reason(error)}`]);
  }
}

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  fatal: () => undefined,
};

/** Without a list nothing is said about it: every cluster of the task's own account and region will do. */
function ownCluster(target: Target): readonly ClusterPattern[] {
  if (target.kind === "family") {
    return [];
  }
  const { partition, region, account } = target.task;
  return [{ partition, region, account, name: "*" }];
}
