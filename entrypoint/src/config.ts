// What the entrypoint is to do, read whole before anything happens: every fault is told in one go.

import { parseKey, parsePublicKey } from "@vaultbuddy/common";
import type { ListenAddress, SecretBytes } from "@vaultbuddy/common";
import { readDevMode } from "./dev/config.ts";
import type { DevSettings } from "./dev/config.ts";
import { Failure, systemCode } from "./exit.ts";
import { readCredentials } from "./files/credentials.ts";
import type { CredentialsPlan } from "./files/credentials.ts";
import { readFilesPlan } from "./files/settings.ts";
import type { FilesPlan } from "./files/settings.ts";
import type { LogLevel } from "./log.ts";
import type { OwnPlan } from "./plan.ts";
import { readReferences } from "./references.ts";
import { expected, readValues } from "./settings.ts";
import type { Network, Values } from "./settings.ts";

/** How Vault is reached. */
export interface VaultTarget {
  /** Normalised. */
  readonly addr: string;
  readonly namespace?: string;
  /** PEM. */
  readonly ca?: string;
}

/** What is known about this container before anybody is asked. */
export interface KnownSelf {
  readonly taskArn?: string;
  readonly containerName?: string;
  readonly containerId?: string;
}

/** By what this container and the broker know each other. */
export type Proof =
  | { readonly kind: "hmac"; readonly key: SecretBytes }
  /** The 32 bytes of an Ed25519 public key. */
  | { readonly kind: "ed25519"; readonly publicKey: Uint8Array };

/** The settings once read. */
export interface Config {
  readonly listen: ListenAddress;
  /** Milliseconds. */
  readonly timeout: number;
  readonly stray: "exit" | "reject";
  readonly allowFrom?: readonly Network[];
  readonly proof: Proof;
  readonly plaintext: boolean;
  readonly self: KnownSelf;
  /** Where the task metadata endpoint v4 is; absent outside ECS. */
  readonly metadata?: string;
  /** What the container itself asks for. */
  readonly own: OwnPlan;
  /** The files it asks for. */
  readonly files?: FilesPlan;
  /** Where it gets its token; absent where it does not. */
  readonly credentials?: CredentialsPlan;
  /** Names of our own and Vault's variables that the command gets nevertheless. */
  readonly passthrough: ReadonlySet<string>;
  /** Absent where the delivery is to name it: with WIS_VAULT=signed, and with a public key when none is given. */
  readonly vault?: VaultTarget;
  /** VAULT_CACERT where there is no `vault`: the CAs for a delivery that names none. */
  readonly fallbackCa?: string;
}

/** With `off` there is nothing to wait for, and hardly any other setting is asked for. */
export type Settings = { readonly logLevel: LogLevel } & (
  | { readonly mode: "off"; readonly passthrough: ReadonlySet<string> }
  | DevSettings
  | { readonly mode: "vault"; readonly config: Config }
);

/** Reads a small file whole, as text. */
type ReadFile = (path: string) => string;

/**
 * Reads all settings. Throws the one {@link Failure} `settings` that lists every fault by the variable's name and never
 * by its value.
 */
export function readSettings(
  env: ReadonlyMap<string, string>,
  readFile: ReadFile,
): Settings {
  const faults: string[] = [];
  const values = readValues(env, faults);
  const logLevel = values.logLevel ?? "warn";
  const settings: Settings | undefined =
    values.mode === "off"
      ? { mode: "off", logLevel, passthrough: new Set(values.passthrough) }
      : values.mode === "dev"
        ? readDevMode(values, readProof(values, faults, readFile), faults)
        : readVaultMode(env, values, logLevel, faults, readFile);
  if (faults.length > 0 || settings === undefined) {
    throw new Failure(
      "settings",
      `the settings have ${faults.length} fault(s): ${faults.join("; ")}`,
    );
  }
  return settings;
}

function readVaultMode(
  env: ReadonlyMap<string, string>,
  values: Values,
  logLevel: LogLevel,
  faults: string[],
  readFile: ReadFile,
): Settings | undefined {
  const passthrough = new Set(values.passthrough);
  const own = readOwnPlan(env, values, passthrough, faults);
  const files = readFilesPlan(values, faults);
  const credentials = readCredentials(env, values, faults);
  const { listen } = values;
  const timeout = credentials?.timeout ?? values.timeout;
  const proof = readProof(values, faults, readFile);
  const ca = readCa(values, faults, readFile);
  const plaintext = values.plaintext === "allow";
  // What was given and cannot be read is told already: it is not missing as well.
  const missing = (value: unknown, name: string): boolean =>
    value === undefined &&
    !faults.some((fault) => fault.startsWith(`${name}:`));
  // Who holds a family's key can sign a delivery, and could name a Vault of his own. Of a pair only the broker can.
  const named = values.vault === "signed" || proof?.kind === "ed25519";
  if (!named && missing(values.vaultAddr, "VAULT_ADDR")) {
    faults.push(
      "VAULT_ADDR: is required (or WIS_VAULT=signed, to take the address that the delivery names)",
    );
  }
  if (
    missing(values.metadata, "ECS_CONTAINER_METADATA_URI_V4") &&
    (missing(values.taskArn, "WIS_TASK_ARN") ||
      missing(values.containerName, "WIS_CONTAINER_NAME"))
  ) {
    faults.push(
      "WIS_TASK_ARN and WIS_CONTAINER_NAME: are required where ECS_CONTAINER_METADATA_URI_V4 is not set",
    );
  }
  if (proof === undefined || listen === undefined || timeout === undefined) {
    return undefined;
  }
  const vault: VaultTarget | undefined =
    values.vault === "signed" || values.vaultAddr === undefined
      ? undefined
      : {
          addr: values.vaultAddr,
          ...given("namespace", values.vaultNamespace),
          ...given("ca", ca),
        };
  const config: Config = {
    listen,
    timeout,
    // Under the family's key only its holders get as far as a request.
    stray:
      values.stray ?? (plaintext || proof.kind !== "hmac" ? "reject" : "exit"),
    ...given("allowFrom", values.allowFrom),
    proof,
    plaintext,
    self: {
      ...given("taskArn", values.taskArn),
      ...given("containerName", values.containerName),
      ...given("containerId", values.containerId),
    },
    ...given("metadata", values.metadata),
    own,
    ...given("files", files),
    ...given("credentials", credentials?.plan),
    passthrough,
    ...given("vault", vault),
    ...given("fallbackCa", vault === undefined ? ca : undefined),
  };
  return { mode: "vault", logLevel, config: Object.freeze(config) };
}

function readOwnPlan(
  env: ReadonlyMap<string, string>,
  values: Values,
  passthrough: ReadonlySet<string>,
  faults: string[],
): OwnPlan {
  const { transitKey, transitPath } = values;
  const references = readReferences(
    env,
    { literal: new Set(values.literal), passthrough },
    faults,
  );
  const decryptPath =
    transitKey === undefined || transitPath === undefined
      ? undefined
      : `${transitPath}/decrypt/${transitKey}`;
  if (decryptPath === undefined) {
    const names = references.encrypted.join(", ");
    if (names !== "") {
      faults.push(
        `VAULT_TRANSIT_KEY_ID: is required to decrypt what ${names} hold(s)`,
      );
    }
  }
  return {
    secrets: values.secrets ?? [],
    references: references.values,
    prefix: values.prefix ?? "",
    uppercase: values.uppercase ?? false,
    ...given("decryptPath", decryptPath),
  };
}

const KEYS = {
  hmacKey: "WIS_HMAC_KEY",
  hmacKeyFile: "WIS_HMAC_KEY_FILE",
  publicKey: "WIS_PUBLIC_KEY",
  publicKeyFile: "WIS_PUBLIC_KEY_FILE",
} as const;

/** Exactly one key in exactly one place: two would leave it to the sender which of them counts. */
function readProof(
  values: Values,
  faults: string[],
  readFile: ReadFile,
): Proof | undefined {
  const names = Object.entries(KEYS);
  const given = names.filter(([name]) => Object.hasOwn(values, name));
  const faulty = names.filter(([, env]) =>
    faults.some((fault) => fault.startsWith(`${env}:`)),
  );
  if (given.length + faulty.length !== 1) {
    faults.push(
      given.length + faulty.length === 0
        ? "WIS_HMAC_KEY_FILE, WIS_HMAC_KEY, WIS_PUBLIC_KEY_FILE or WIS_PUBLIC_KEY: one of them is required (vaultbuddy-broker keys derive and keys public make them)"
        : `${[...given, ...faulty].map(([, env]) => env).join(" and ")}: only one of them may be set`,
    );
    return undefined;
  }
  const { hmacKeyFile, publicKeyFile } = values;
  const key =
    hmacKeyFile === undefined
      ? values.hmacKey
      : readFrom(KEYS.hmacKeyFile, hmacKeyFile, faults, readFile, parseKey);
  const publicKey =
    publicKeyFile === undefined
      ? values.publicKey
      : readFrom(
          KEYS.publicKeyFile,
          publicKeyFile,
          faults,
          readFile,
          parsePublicKey,
        );
  if (key !== undefined) {
    return { kind: "hmac", key };
  }
  return publicKey && { kind: "ed25519", publicKey };
}

function readCa(
  values: Values,
  faults: string[],
  readFile: ReadFile,
): string | undefined {
  return values.vaultCacert === undefined
    ? undefined
    : readFrom("VAULT_CACERT", values.vaultCacert, faults, readFile, (pem) => {
        // Only the outline is looked at here: taking certificates apart needs node:crypto, which loads after listening.
        if (!/-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/.test(pem)) {
          throw new Error("the file must hold certificates as PEM");
        }
        return pem;
      });
}

function readFrom<Value>(
  name: string,
  path: string,
  faults: string[],
  readFile: ReadFile,
  parse: (content: string) => Value,
): Value | undefined {
  let content: string;
  try {
    content = readFile(path);
  } catch (error) {
    faults.push(`${name}: the file cannot be read (${systemCode(error)})`);
    return undefined;
  }
  try {
    return parse(content);
  } catch (error) {
    faults.push(`${name}: ${expected(error)}`);
    return undefined;
  }
}

/** A property that is only there when its value is. */
function given<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { [Key in Name]?: Value } {
  return value === undefined
    ? {}
    : ({ [name]: value } as { [Key in Name]?: Value });
}
