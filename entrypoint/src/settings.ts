// Every variable that the entrypoint reads, as one table: name, meaning, default and reader. Everything comes from the
// environment, because the argument list belongs to the command.

import { isIP } from "node:net";
import {
  boolean,
  durationWithin,
  ecsName,
  httpUrl,
  listenAddress,
  listOf,
  normaliseVaultAddr,
  parseKey,
  parsePublicKey,
  parseTaskArn,
  plainText,
  ShapeError,
  text,
  variableName,
  vaultPath,
  word,
} from "@vaultbuddy/common";
import { credentialsSettings } from "./files/credentials.ts";
import { fileSettings } from "./files/settings.ts";
import { logLevels } from "./log.ts";
import { parseWhole } from "./reference.ts";
import { superviseSettings } from "./supervise/settings.ts";

/** A range of addresses. */
export interface Network {
  readonly address: string;
  readonly prefix: number;
  readonly family: "ipv4" | "ipv6";
}

/** One setting, as the table of settings in the README shows it. */
export interface Setting<Value> {
  readonly env: string;
  readonly describe: string;
  /** What holds when nothing, or an empty text, is given. */
  readonly fallback?: string;
  /** Read only where WIS_MODE says so: elsewhere a variable of this name is somebody else's. */
  readonly mode?: string;
  readonly parse: (text: string) => Value;
}

/** Every variable that the entrypoint reads. */
export const settings = {
  listen: {
    env: "WIS_LISTEN",
    describe: "address to wait on for the delivery",
    fallback: "0.0.0.0:9202",
    parse: listenAddress,
  },
  timeout: {
    env: "WIS_TIMEOUT",
    describe: "how long to wait for the delivery",
    fallback: "30s",
    parse: durationWithin("100ms", "1h"),
  },
  stray: {
    env: "WIS_STRAY",
    describe:
      "what any other request does: exit ends the container, reject answers and keeps waiting (default: exit; reject with a public key, WIS_PLAINTEXT=allow or WIS_MODE=dev)",
    parse: word(["exit", "reject"]),
  },
  allowFrom: {
    env: "WIS_ALLOW_FROM",
    describe:
      "CIDRs, separated by commas: connections from elsewhere are dropped",
    parse: listOf(parseNetwork),
  },
  hmacKey: {
    env: "WIS_HMAC_KEY",
    describe:
      "the key of this task definition family, base64url (vaultbuddy-broker keys derive)",
    parse: parseKey,
  },
  hmacKeyFile: {
    env: "WIS_HMAC_KEY_FILE",
    describe: "a file that holds it",
    parse: plainText,
  },
  publicKey: {
    env: "WIS_PUBLIC_KEY",
    describe:
      "instead of an HMAC key: the broker's Ed25519 public key, JWK or PEM (vaultbuddy-broker keys public); nothing secret",
    parse: parsePublicKey,
  },
  publicKeyFile: {
    env: "WIS_PUBLIC_KEY_FILE",
    describe: "a file that holds it",
    parse: plainText,
  },
  plaintext: {
    env: "WIS_PLAINTEXT",
    describe:
      "allow: wait for plain HTTP instead of TLS; the delivery can then be read on its way, and the broker's rule must say so too",
    parse: word(["allow"]),
  },
  taskArn: {
    env: "WIS_TASK_ARN",
    describe: "this task (default: asked of the task metadata endpoint v4)",
    parse: (value: string) => parseTaskArn(value).arn,
  },
  containerName: {
    env: "WIS_CONTAINER_NAME",
    describe:
      "this container's name in its task definition (default: asked likewise)",
    parse: (value: string) => text(value, "", ecsName),
  },
  containerId: {
    env: "WIS_CONTAINER_ID",
    describe: "this container's Docker id (default: asked likewise)",
    parse: (value: string) => text(value, "", { max: 128 }),
  },
  secrets: {
    env: "WIS_SECRETS",
    describe:
      "paths of whole secrets, separated by commas; each key becomes a variable; secret/web#3 reads version 3",
    parse: listOf(parseWhole),
  },
  prefix: {
    env: "WIS_PREFIX",
    describe: "put in front of each name that a whole secret gives",
    parse: (value: string) => text(value, "", variableName),
  },
  uppercase: {
    env: "WIS_UPPERCASE",
    describe:
      "true: the keys of whole secrets become names in capitals (db_user: DB_USER)",
    fallback: "false",
    parse: boolean,
  },
  literal: {
    env: "WIS_LITERAL",
    describe:
      "names of variables, separated by commas, that are left as they are even where they look like a reference to Vault",
    parse: listOf((value) => text(value, "", variableName)),
  },
  ...fileSettings,
  ...credentialsSettings,
  ...superviseSettings,
  passthrough: {
    env: "WIS_PASSTHROUGH",
    describe:
      "names of WIS_* and VAULT_* variables, separated by commas, that the command gets nevertheless",
    parse: listOf((value) => text(value, "", variableName)),
  },
  mode: {
    env: "WIS_MODE",
    describe:
      "off: start the command at once, without any secret; dev: wait for what vaultbuddy-entrypoint send hands over, and for nothing else (never in production); credentials: the command also gets its token, in the files of kubernetes-vault",
    fallback: "vault",
    parse: word(["vault", "off", "dev", "credentials"]),
  },
  vault: {
    env: "WIS_VAULT",
    describe:
      "signed: take the address of Vault, its CA and namespace from the delivery",
    parse: word(["signed"]),
  },
  logLevel: {
    env: "WIS_LOG_LEVEL",
    describe: `what is told on stderr: ${logLevels.join(", ")}`,
    fallback: "warn",
    parse: word(logLevels),
  },
  vaultAddr: {
    env: "VAULT_ADDR",
    describe:
      "address of Vault; the delivery's must be equal (required with an HMAC key, unless WIS_VAULT=signed)",
    parse: (value: string) => normaliseVaultAddr(value),
  },
  vaultCacert: {
    env: "VAULT_CACERT",
    describe: "a PEM file: the only CAs that Vault's certificate may be from",
    parse: plainText,
  },
  vaultNamespace: {
    env: "VAULT_NAMESPACE",
    describe: "namespace of Vault (Enterprise)",
    parse: (value: string) =>
      text(value, "", {
        max: 512,
        pattern: /^[\x21-\x7e]+$/,
        form: "a namespace",
      }),
  },
  transitKey: {
    env: "VAULT_TRANSIT_KEY_ID",
    describe:
      "the key of the transit engine that decrypts values such as vault:v1:…",
    parse: (value: string) =>
      text(value, "", {
        max: 255,
        pattern: /^[\w.-]+$/,
        form: "the name of a key",
      }),
  },
  transitPath: {
    env: "VAULT_TRANSIT_PATH",
    describe: "where that engine is",
    fallback: "transit",
    parse: (value: string) => text(value, "", vaultPath),
  },
  metadata: {
    env: "ECS_CONTAINER_METADATA_URI_V4",
    describe: "set by ECS",
    parse: httpUrl,
  },
} as const satisfies Record<string, Setting<unknown>>;

/** What the table's variables hold; those that were not given are absent, unless they have a fallback. */
export type Values = {
  -readonly [Name in keyof typeof settings]?: ReturnType<
    (typeof settings)[Name]["parse"]
  >;
};

/**
 * Reads every variable of the table. An empty text counts as not given. What cannot be read, and every WIS_* name that
 * nobody knows, is put into `faults` by its name and never by its value, which may be a secret in the wrong place.
 */
export function readValues(
  env: ReadonlyMap<string, string>,
  faults: string[],
): Values {
  const known = new Set<string>(Object.values(settings).map((one) => one.env));
  const passed = new Set(env.get(settings.passthrough.env)?.split(/\s*,\s*/));
  for (const name of env.keys()) {
    if (name.startsWith("WIS_") && !known.has(name) && !passed.has(name)) {
      faults.push(
        `${/^\w{1,60}$/.test(name) ? name : "WIS_…"}: is not a known setting`,
      );
    }
  }
  const entries = Object.entries<Setting<unknown>>(settings).map(
    ([name, setting]) => [name, readOne(setting, env, faults)],
  );
  return Object.fromEntries(
    entries.filter(([, value]) => value !== undefined),
  ) as Values;
}

function readOne(
  setting: Setting<unknown>,
  env: ReadonlyMap<string, string>,
  faults: string[],
): unknown {
  if (setting.mode !== undefined && setting.mode !== env.get("WIS_MODE")) {
    return undefined;
  }
  const given = env.get(setting.env);
  const value = given === undefined || given === "" ? setting.fallback : given;
  if (value === undefined) {
    return undefined;
  }
  try {
    return setting.parse(value);
  } catch (error) {
    faults.push(`${setting.env}: ${expected(error)}`);
    return undefined;
  }
}

/** What a reader expected, without the place it names: the variable's name stands before it already. */
export function expected(error: unknown): string {
  if (error instanceof ShapeError) {
    return error.message.slice(error.message.indexOf(": ") + 2);
  }
  return error instanceof Error ? error.message : "cannot be read";
}

/** Reads one CIDR; a bare address stands for itself alone. */
function parseNetwork(value: string): Network {
  const [, address = "", digits] =
    /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/.exec(value) ?? [];
  const version = isIP(address);
  const longest = version === 4 ? 32 : 128;
  const prefix = digits === undefined ? longest : Number(digits);
  if (version === 0 || prefix > longest) {
    throw new Error("must be CIDRs such as 10.0.0.0/8, separated by commas");
  }
  return { address, prefix, family: version === 4 ? "ipv4" : "ipv6" };
}
