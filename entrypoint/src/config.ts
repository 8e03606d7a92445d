// What the entrypoint is to do, read whole before anything happens: every fault is told in one go.

import { parseKey } from "@vaultbuddy/common";
import type { ListenAddress, SecretBytes } from "@vaultbuddy/common";
import { Failure, systemCode } from "./exit.ts";
import type { LogLevel } from "./log.ts";
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

/** The settings once read. */
export interface Config {
  readonly listen: ListenAddress;
  /** Milliseconds. */
  readonly timeout: number;
  readonly stray: "exit" | "reject";
  readonly allowFrom?: readonly Network[];
  readonly hmacKey: SecretBytes;
  readonly plaintext: boolean;
  readonly self: KnownSelf;
  /** Where the task metadata endpoint v4 is; absent outside ECS. */
  readonly metadata?: string;
  readonly secrets: readonly string[];
  /** Absent with WIS_VAULT=signed. */
  readonly vault?: VaultTarget;
  /** With WIS_VAULT=signed and VAULT_CACERT: the CAs for a delivery that names none. */
  readonly fallbackCa?: string;
}

/** With `off` there is nothing to wait for, and no other setting is asked for. */
export type Settings = { readonly logLevel: LogLevel } & (
  { readonly mode: "off" } | { readonly mode: "vault"; readonly config: Config }
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
      ? { mode: "off", logLevel }
      : readVaultMode(values, logLevel, faults, readFile);
  if (faults.length > 0 || settings === undefined) {
    throw new Failure(
      "settings",
      `the settings have ${faults.length} fault(s): ${faults.join("; ")}`,
    );
  }
  return settings;
}

function readVaultMode(
  values: Values,
  logLevel: LogLevel,
  faults: string[],
  readFile: ReadFile,
): Settings | undefined {
  const { listen, timeout } = values;
  const hmacKey = readHmacKey(values, faults, readFile);
  const ca = readCa(values, faults, readFile);
  const plaintext = values.plaintext === "allow";
  // What was given and cannot be read is told already: it is not missing as well.
  const missing = (value: unknown, name: string): boolean =>
    value === undefined &&
    !faults.some((fault) => fault.startsWith(`${name}:`));
  if (values.vault === undefined && missing(values.vaultAddr, "VAULT_ADDR")) {
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
  if (hmacKey === undefined || listen === undefined || timeout === undefined) {
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
    stray: values.stray ?? (plaintext ? "reject" : "exit"),
    ...given("allowFrom", values.allowFrom),
    hmacKey,
    plaintext,
    self: {
      ...given("taskArn", values.taskArn),
      ...given("containerName", values.containerName),
      ...given("containerId", values.containerId),
    },
    ...given("metadata", values.metadata),
    secrets: values.secrets ?? [],
    ...given("vault", vault),
    ...given("fallbackCa", vault === undefined ? ca : undefined),
  };
  return { mode: "vault", logLevel, config: Object.freeze(config) };
}

function readHmacKey(
  values: Values,
  faults: string[],
  readFile: ReadFile,
): SecretBytes | undefined {
  const { hmacKey, hmacKeyFile } = values;
  if (hmacKeyFile === undefined) {
    const faulty = faults.some((fault) => fault.startsWith("WIS_HMAC_KEY:"));
    if (hmacKey === undefined && !faulty) {
      faults.push(
        "WIS_HMAC_KEY_FILE or WIS_HMAC_KEY: is required (vaultbuddy-broker keys derive prints it)",
      );
    }
    return hmacKey;
  }
  if (hmacKey !== undefined) {
    faults.push(
      "WIS_HMAC_KEY and WIS_HMAC_KEY_FILE: only one of them may be set",
    );
  }
  return readFrom("WIS_HMAC_KEY_FILE", hmacKeyFile, faults, readFile, parseKey);
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
