// BrokerConfig: every setting read once, whole, with all faults told at once. Files that settings name are read here,
// so that a missing key or a broken policy is a fault at the start and not at three in the morning.

import { MOST_CA } from "@vaultbuddy/common";
import { collectSettings, SettingsError } from "@vaultbuddy/common/daemon";
import type { SettingsOf } from "@vaultbuddy/common/daemon";
import type { Command } from "commander";
import { readTlsPair } from "./certificate.ts";
import type { TlsFiles, TlsPair } from "./certificate.ts";
import { chooseLogin } from "./login/choose.ts";
import type { OpenLogin } from "./login/choose.ts";
import { readKeys } from "./keyring.ts";
import type { KeyFiles, KeySet } from "./keyring.ts";
import { loadPolicy } from "./policy.ts";
import type { Policy } from "./policy.ts";
import { serveSettings } from "./settings.ts";

/** Everything `serve` needs. Durations in milliseconds. */
export interface BrokerConfig extends SettingsOf<typeof serveSettings> {
  readonly keys: KeySet;
  readonly keyFiles: KeyFiles;
  readonly policySource: PolicyPlace;
  readonly tls:
    { readonly files: TlsFiles; readonly pair: TlsPair } | undefined;
  readonly vaultCa: string | undefined;
  readonly login: OpenLogin;
  /** Reads a file again, when told to. */
  readonly readFile: ReadFile;
}

/** Where the policy is: in a file, which has been loaded, or in Vault. */
export type PolicyPlace =
  | {
      readonly kind: "file";
      readonly path: string;
      readonly text: string;
      readonly policy: Policy;
    }
  | { readonly kind: "vault"; readonly path: string };

/** Reads a file as text; throws the system's error. */
export type ReadFile = (path: string) => string;

/** Reads all settings and the files they name. Throws SettingsError with every fault. */
export function readConfig(
  command: Command,
  env: NodeJS.ProcessEnv,
  read: ReadFile,
): BrokerConfig {
  const { values, faults } = collectSettings(serveSettings, command, env);
  // A setting with a fault is absent here; nothing is returned then, and what follows only looks for more faults.
  const settings = values as SettingsOf<typeof serveSettings>;
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
  const keyFiles: KeyFiles = {
    masters: settings.hmacKeyFiles ?? [],
    pairs: settings.signingKeyFiles ?? [],
  };
  const policySource = gather("the policy:", () => policyPlace(settings, read));
  const keys = gather("the keys:", () =>
    readFirstKeys(keyFiles, read, policySource),
  );
  const tls = gather("--tls-cert and --tls-key:", () => tlsOf(settings, read));
  const vaultCa = gather("--ca-cert", () =>
    delivered(readCa(settings.caCert, read)),
  );
  const login = gather("the Vault login:", () => chooseLogin(settings, read));
  if (values.ledger !== undefined) {
    gather("--ledger (LEDGER)", () =>
      refuseLocalLedger(settings, command, env),
    );
  }
  if (
    keys === undefined ||
    policySource === undefined ||
    login === undefined ||
    faults.length > 0
  ) {
    throw new SettingsError(faults);
  }
  return {
    ...settings,
    keys,
    keyFiles,
    policySource,
    tls,
    vaultCa,
    login,
    readFile: read,
  };
}

/** What to say of a setting or file that cannot be used. */
export function reason(error: unknown): string {
  const system: NodeJS.ErrnoException | undefined =
    error instanceof Error ? error : undefined;
  const { code, path } = system ?? {};
  if (code !== undefined && /^E[A-Z]+$/.test(code)) {
    const file = path === undefined ? "" : `${path}: `;
    return `${file}cannot be read (${code})`;
  }
  return error instanceof Error ? error.message : "cannot be read";
}

/** There must be keys, and of each kind that a rule of the policy file asks for. Throws an Error. */
function readFirstKeys(
  files: KeyFiles,
  read: ReadFile,
  place: PolicyPlace | undefined,
): KeySet {
  const keys = readKeys(files, read);
  const { masters, pairs } = keys;
  if (masters.length + pairs.length === 0) {
    throw new Error(
      "--hmac-key-file (HMAC_KEY_FILE) or --signing-key-file (SIGNING_KEY_FILE) is required",
    );
  }
  const unmet = (place?.kind === "file" ? place.policy.rules : []).find(
    ({ proof }) => (proof === "hmac" ? masters : pairs).length === 0,
  );
  if (unmet !== undefined) {
    throw new Error(
      unmet.proof === "hmac"
        ? `the rule ${unmet.pattern} is proven by hmac: --hmac-key-file (HMAC_KEY_FILE) is required, or proof ed25519 in the rule`
        : `the rule ${unmet.pattern} is proven by ed25519: --signing-key-file (SIGNING_KEY_FILE) is required`,
    );
  }
  return keys;
}

/** The CA to trust for Vault. Throws an Error. */
export function readCa(
  file: string | undefined,
  read: ReadFile,
): string | undefined {
  if (file === undefined) {
    return undefined;
  }
  const text = read(file);
  if (!text.includes("-----BEGIN CERTIFICATE-----")) {
    throw new Error(`${file}: must be a certificate in PEM`);
  }
  return text;
}

/** Every delivery carries the CA, and an entrypoint reads no longer one. Throws an Error. */
function delivered(ca: string | undefined): string | undefined {
  if (ca !== undefined && ca.length > MOST_CA) {
    throw new Error(
      `must be at most ${MOST_CA} characters, because containers are given it: name the one authority of Vault's, not a bundle`,
    );
  }
  return ca;
}

/** Exactly one place, because a second one would be believed in and not read. Throws an Error. */
export function policyPlace(
  settings: {
    readonly policies?: string | undefined;
    readonly policiesFile?: string | undefined;
    readonly policiesNested: boolean;
  },
  read: ReadFile,
): PolicyPlace {
  const { policies, policiesFile, policiesNested } = settings;
  if ((policies === undefined) === (policiesFile === undefined)) {
    throw new Error(
      "exactly one of --policies (GATE_POLICIES) and --policies-file (GATE_POLICIES_FILE) must be given",
    );
  }
  if (policies !== undefined) {
    return { kind: "vault", path: policies };
  }
  if (policiesNested) {
    throw new Error(
      "--policies-nested (GATE_POLICIES_NESTED) has a meaning with --policies only",
    );
  }
  const path = policiesFile ?? "";
  const text = read(path);
  return { kind: "file", path, text, policy: loadPolicy(text, path) };
}

function tlsOf(
  { tlsCert, tlsKey }: SettingsOf<typeof serveSettings>,
  read: ReadFile,
): BrokerConfig["tls"] {
  if (tlsCert === undefined && tlsKey === undefined) {
    return undefined;
  }
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new Error("must be given both or neither");
  }
  const files = { cert: tlsCert, key: tlsKey };
  return { files, pair: readTlsPair(files, read) };
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
