// BrokerConfig: every setting read once, whole, with all faults told at once. Files that settings name are read here,
// so that a missing key or a broken policy is a fault at the start and not at three in the morning.

import { parseKey, Secret } from "@vaultbuddy/common";
import type { SecretBytes } from "@vaultbuddy/common";
import { readSettings, SettingsError } from "@vaultbuddy/common/daemon";
import type { SettingsOf } from "@vaultbuddy/common/daemon";
import type { Command } from "commander";
import type { LoginMethod } from "./login.ts";
import { loadPolicy } from "./policy.ts";
import type { Policy } from "./policy.ts";
import { serveSettings } from "./settings.ts";

/** Everything `serve` needs. Durations in milliseconds. */
export interface BrokerConfig extends SettingsOf<typeof serveSettings> {
  readonly masters: readonly SecretBytes[];
  readonly policy: Policy;
  readonly vaultCa: string | undefined;
  readonly login: LoginMethod;
}

/** Reads a file as text; throws the system's error. */
export type ReadFile = (path: string) => string;

/** Reads all settings and the files they name. Throws SettingsError with every fault. */
export function readConfig(
  command: Command,
  env: NodeJS.ProcessEnv,
  read: ReadFile,
): BrokerConfig {
  const settings = readSettings(serveSettings, command, env);
  const faults: string[] = [];
  const gather = <Value>(
    place: string,
    work: () => Value,
  ): Value | undefined => {
    try {
      return work();
    } catch (error) {
      faults.push(`${place} ${reason(error)}`);
      return undefined;
    }
  };
  const masters = settings.hmacKeyFiles.map((file) =>
    gather(`--hmac-key-file ${file}:`, () => parseKey(read(file))),
  );
  const policy = gather(`--policies-file ${settings.policiesFile}:`, () =>
    loadPolicy(read(settings.policiesFile), settings.policiesFile),
  );
  const { caCert } = settings;
  const vaultCa =
    caCert === undefined
      ? undefined
      : gather(`--ca-cert ${caCert}:`, () => readPem(read, caCert));
  const login = gather("the Vault login:", () => loginMethod(settings, read));
  gather("--ledger (LEDGER)", () => refuseLocalLedger(settings, command, env));
  if (policy === undefined || login === undefined || faults.length > 0) {
    throw new SettingsError(faults);
  }
  return {
    ...settings,
    masters: masters.filter((master) => master !== undefined),
    policy,
    vaultCa,
    login,
  };
}

function reason(error: unknown): string {
  const code: unknown =
    error instanceof Error ? Reflect.get(error, "code") : undefined;
  if (typeof code === "string" && /^E[A-Z]+$/.test(code)) {
    return `cannot be read (${code})`;
  }
  return error instanceof Error ? error.message : "cannot be read";
}

function readPem(read: ReadFile, file: string): string {
  const text = read(file);
  if (!text.includes("-----BEGIN CERTIFICATE-----")) {
    throw new Error("must be a certificate in PEM");
  }
  return text;
}

/** Exactly one way to log in: two would hide which one the broker lives by. */
function loginMethod(
  settings: SettingsOf<typeof serveSettings>,
  read: ReadFile,
): LoginMethod {
  const { vaultToken, vaultTokenFile, approleRoleId, approleSecretIdFile } =
    settings;
  const given = [vaultToken, vaultTokenFile, approleRoleId].filter(
    (one) => one !== undefined,
  );
  if (given.length !== 1) {
    throw new Error(
      "give exactly one of VAULT_TOKEN, VAULT_TOKEN_FILE and APPROLE_ROLE_ID",
    );
  }
  const fromFile = (file: string) => (): Secret => {
    const text = read(file).trim();
    if (text === "") {
      throw new Error(`the file ${file} is empty`);
    }
    return new Secret(text);
  };
  if (vaultToken !== undefined) {
    return { kind: "token", token: () => vaultToken };
  }
  if (vaultTokenFile !== undefined) {
    fromFile(vaultTokenFile)();
    return { kind: "token", token: fromFile(vaultTokenFile) };
  }
  if (approleRoleId === undefined || approleSecretIdFile === undefined) {
    throw new Error("APPROLE_ROLE_ID needs APPROLE_SECRET_ID_FILE");
  }
  fromFile(approleSecretIdFile)();
  return {
    kind: "approle",
    mount: settings.approleMount,
    roleId: approleRoleId,
    secretId: fromFile(approleSecretIdFile),
  };
}

/** In ECS a rolling deploy would run two brokers with two local ledgers: a file must be named, on storage they share. */
function refuseLocalLedger(
  settings: SettingsOf<typeof serveSettings>,
  command: Command,
  env: NodeJS.ProcessEnv,
): void {
  const named =
    command.getOptionValueSource("ledger") === "cli" ||
    (env["LEDGER"] ?? "") !== "";
  if (env["ECS_CONTAINER_METADATA_URI_V4"] !== undefined && !named) {
    throw new Error(
      `must be given inside ECS: ${settings.ledger.path} in the container would be lost with it, and a second broker ` +
        "would serve every task again",
    );
  }
}
