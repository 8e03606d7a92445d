// The token itself, for applications that speak to Vault: the files that kubernetes-vault's init container leaves, byte for
// byte, so that an application made for that one works unchanged. Only with WIS_MODE=credentials: its variables have names
// that may be anybody's.
// https://github.com/Boostport/kubernetes-vault

import { Secret, text } from "@vaultbuddy/common";
import type { VaultTarget } from "../config.ts";
import type { Opened } from "../unwrap.ts";
import { preparePlaces, writeFiles } from "./place.ts";
import type { Place } from "./place.ts";
import { absolutePath } from "./settings.ts";

/** Where the files of the token go. */
export interface CredentialsPlan {
  readonly directory: string;
  /** Whether it may be on a file system that keeps what is written to it. */
  readonly disk: boolean;
}

const mode = "credentials";
const least = 100;
const most = 3_600_000;
const units = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

/** The part of the table of settings that is kubernetes-vault's. */
export const credentialsSettings = {
  credentialsPath: {
    env: "CREDENTIALS_PATH",
    mode,
    describe:
      "with WIS_MODE=credentials: the directory of vault-token and ca.crt; a tmpfs, unless WIS_FILES_DISK=allow",
    fallback: "/var/run/secrets/boostport.com",
    parse: (value: string) => text(value, "", absolutePath),
  },
  credentialsTimeout: {
    env: "TIMEOUT",
    mode,
    describe:
      "with WIS_MODE=credentials: how long to wait for the delivery, as Go writes it (1m30s), unless WIS_TIMEOUT is given; there 5m without either",
    parse: goDuration,
  },
  retrieveToken: {
    env: "RETRIEVE_TOKEN",
    mode,
    describe:
      "with WIS_MODE=credentials: true, and nothing else: what is handed over is a token",
    fallback: "true",
    parse: onlyTrue,
  },
  unwrapSecret: {
    env: "UNWRAP_SECRET",
    mode,
    describe: "with WIS_MODE=credentials: likewise",
    fallback: "true",
    parse: onlyTrue,
  },
} as const;

function onlyTrue(value: string): true {
  if (value.toLowerCase() !== "true") {
    throw new Error(
      "must be true: a SecretID, wrapped or not, is not handed over",
    );
  }
  return true;
}

/** Reads a duration as Go's time.ParseDuration does, in milliseconds, as far as WIS_TIMEOUT goes. */
function goDuration(value: string): number {
  const parts = [...value.matchAll(/(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)/g)];
  const total = parts.reduce(
    (sum, [, count, unit]) =>
      sum + Number(count) * units[unit as keyof typeof units],
    0,
  );
  const whole = parts.map(([part]) => part).join("") === value;
  if (!whole || !(total >= least && total <= most)) {
    throw new Error("must be a duration from 100ms to 1h, such as 5m or 1m30s");
  }
  return Math.round(total);
}

/** Puts the settings together; undefined in any other mode. What doesn't fit goes into `faults`. */
export function readCredentials(
  env: ReadonlyMap<string, string>,
  values: {
    readonly mode?: string;
    readonly timeout?: number;
    readonly credentialsPath?: string;
    readonly credentialsTimeout?: number;
    readonly filesDisk?: "allow";
  },
  faults: string[],
): { readonly plan: CredentialsPlan; readonly timeout: number } | undefined {
  const { credentialsPath: directory, credentialsTimeout } = values;
  if (values.mode !== mode || directory === undefined) {
    return undefined;
  }
  const ours = env.get("WIS_TIMEOUT") ?? "";
  if (ours !== "" && credentialsTimeout !== undefined) {
    faults.push("WIS_TIMEOUT and TIMEOUT: only one of them may be set");
  }
  const timeout = ours === "" ? credentialsTimeout : values.timeout;
  return {
    plan: { directory, disk: values.filesDisk === "allow" },
    timeout: timeout ?? 5 * units.m,
  };
}

/** Looks whether the files can be written. Throws Failure `file_unwritable`. */
export function prepareCredentials({ directory, disk }: CredentialsPlan): void {
  preparePlaces({ directory, disk, allowedBy: "WIS_FILES_DISK=allow" }, [
    place(directory, "vault-token"),
    place(directory, "ca.crt"),
  ]);
}

/**
 * Writes the token, which lives for `life` seconds, and the CAs of its Vault, if it was told any. Answers what removes
 * them again. Throws Failure `file_unwritable`.
 */
export function writeCredentials(
  { directory }: CredentialsPlan,
  token: Opened,
  life: number,
  { addr, ca }: VaultTarget,
): () => void {
  const content = goJson({
    clientToken: token.token.expose(),
    accessor: token.accessor,
    leaseDuration: life,
    renewable: token.renewable,
    vaultAddr: addr,
  });
  return writeFiles([
    { ...place(directory, "vault-token"), content: new Secret(content) },
    ...(ca === undefined
      ? []
      : [{ ...place(directory, "ca.crt"), content: new Secret(ca) }]),
  ]);
}

function place(directory: string, name: string): Place {
  return { path: `${directory}/${name}`, mode: 0o444 };
}

/** JSON as Go's encoding/json writes it, which makes it fit for HTML. */
function goJson(value: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
