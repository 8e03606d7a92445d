// What WIS_MODE=dev asks for: the key, and hardly anything else. It is refused where it has no business: inside ECS,
// without the family's key, and on a channel that does not prove it.

import type { ListenAddress, SecretBytes } from "@vaultbuddy/common";
import type { KnownSelf, Proof } from "../config.ts";
import type { LogLevel } from "../log.ts";
import type { Network, Values } from "../settings.ts";

/** The settings of a container that waits for plain pairs. */
export interface DevConfig {
  readonly listen: ListenAddress;
  /** Milliseconds. */
  readonly timeout: number;
  readonly stray: "exit" | "reject";
  readonly allowFrom?: readonly Network[];
  readonly key: SecretBytes;
  readonly self: KnownSelf;
  readonly passthrough: ReadonlySet<string>;
  /** Names of variables that only look like a reference to Vault. */
  readonly literal: ReadonlySet<string>;
}

/** What WIS_MODE=dev makes of all settings. */
export interface DevSettings {
  readonly mode: "dev";
  readonly logLevel: LogLevel;
  readonly config: DevConfig;
}

/** Reads them; undefined once a fault was told. */
export function readDevMode(
  values: Values,
  proof: Proof | undefined,
  faults: string[],
): DevSettings | undefined {
  if (values.metadata !== undefined) {
    faults.push(
      "WIS_MODE: dev takes values from whoever holds the key, and is not for a container of ECS (ECS_CONTAINER_METADATA_URI_V4 is set)",
    );
  }
  if (values.plaintext !== undefined) {
    faults.push("WIS_PLAINTEXT: cannot be allowed with WIS_MODE=dev");
  }
  if (proof?.kind === "ed25519") {
    faults.push(
      "WIS_MODE: dev needs WIS_HMAC_KEY or WIS_HMAC_KEY_FILE, because the sender holds the same key",
    );
  }
  const { listen, timeout, allowFrom, taskArn } = values;
  const { containerName, containerId } = values;
  if (proof?.kind !== "hmac" || listen === undefined || timeout === undefined) {
    return undefined;
  }
  const config: DevConfig = {
    listen,
    timeout,
    // Who gets the address of a container wrong corrects it and sends again.
    stray: values.stray ?? "reject",
    ...(allowFrom === undefined ? {} : { allowFrom }),
    key: proof.key,
    self: {
      ...(taskArn === undefined ? {} : { taskArn }),
      ...(containerName === undefined ? {} : { containerName }),
      ...(containerId === undefined ? {} : { containerId }),
    },
    passthrough: new Set(values.passthrough),
    literal: new Set(values.literal),
  };
  return { mode: "dev", logLevel: values.logLevel ?? "warn", config };
}
