// The settings of `vaultbuddy-broker serve`, told once: flag, environment variable, default and form. Names are those
// of vault-gatekeeper where it has one.

import {
  boolean,
  durationWithin,
  httpUrl,
  listenAddress,
  listOf,
  plainText,
  Secret,
  wholeNumber,
  word,
} from "@vaultbuddy/common";
import { logLevels } from "@vaultbuddy/common/daemon";
import type { SettingTable } from "@vaultbuddy/common/daemon";
import { parseClusterPattern } from "./policy/cluster.ts";

const secret = (text: string): Secret => new Secret(text);

export const serveSettings = {
  listen: {
    flag: "listen",
    env: "LISTEN_ADDR",
    placeholder: "addr",
    fallback: ":9201",
    describe: "where agents reach the broker",
    parse: listenAddress,
  },
  provider: {
    flag: "provider",
    env: "PROVIDER",
    placeholder: "name",
    fallback: "ecs",
    describe: "who says which tasks run",
    parse: word(["ecs"]),
  },
  vault: {
    flag: "vault",
    env: "VAULT_ADDR",
    placeholder: "url",
    required: true,
    describe: "address of Vault",
    parse: httpUrl,
  },
  namespace: {
    flag: "vault-namespace",
    env: "VAULT_NAMESPACE",
    placeholder: "name",
    describe: "namespace in Vault (Enterprise)",
    parse: plainText,
  },
  caCert: {
    flag: "ca-cert",
    env: "VAULT_CACERT",
    placeholder: "file",
    describe: "PEM of the CA to trust for Vault, instead of the machine's",
    parse: plainText,
  },
  deliveredAddr: {
    flag: "delivered-vault-addr",
    env: "DELIVERED_VAULT_ADDR",
    placeholder: "url",
    describe: "the address of Vault that containers use (default: --vault)",
    parse: httpUrl,
  },
  policiesFile: {
    flag: "policies-file",
    env: "GATE_POLICIES_FILE",
    placeholder: "file",
    required: true,
    describe: "the policy document",
    parse: plainText,
  },
  clusters: {
    flag: "clusters",
    env: "ALLOWED_CLUSTERS",
    placeholder: "arns",
    required: true,
    describe:
      "cluster ARNs to serve, separated by commas; * is allowed in the name",
    parse: listOf(parseClusterPattern),
  },
  hmacKeyFiles: {
    flag: "hmac-key-file",
    env: "HMAC_KEY_FILE",
    placeholder: "files",
    required: true,
    describe:
      "files with a master key each (keys generate), separated by commas; all are active",
    parse: listOf(plainText),
  },
  ledger: {
    flag: "ledger",
    env: "LEDGER",
    placeholder: "url",
    fallback: "sqlite:vaultbuddy.db",
    describe: "where claims are kept",
    parse: ledgerUrl,
  },
  taskLife: {
    flag: "task-life",
    env: "TASK_LIFE",
    placeholder: "duration",
    fallback: "2m",
    describe: "how old a task may be since its start",
    parse: durationWithin("1s", "24h"),
  },
  pendingLife: {
    flag: "pending-life",
    env: "PENDING_LIFE",
    placeholder: "duration",
    fallback: "10m",
    describe: "how old a task may be that ECS has not called started",
    parse: durationWithin("1s", "24h"),
  },
  requireState: {
    flag: "require-state",
    env: "REQUIRE_STATE",
    placeholder: "what",
    fallback: "container",
    describe: "what must be RUNNING: the container, or the whole task",
    parse: word(["container", "task"]),
  },
  optInLabel: {
    flag: "opt-in-label",
    env: "OPT_IN_LABEL",
    placeholder: "name=value",
    fallback: "vaultbuddy.enable=true",
    describe:
      "dockerLabel of the task definition by which a container asks for a token",
    parse: label,
  },
  entrypointPort: {
    flag: "entrypoint-port",
    env: "ENTRYPOINT_PORT",
    placeholder: "port",
    fallback: "9202",
    describe:
      "where entrypoints listen unless the rule or the task definition says otherwise",
    parse: wholeNumber(1, 65_535),
  },
  deliveryTimeout: {
    flag: "delivery-timeout",
    env: "DELIVERY_TIMEOUT",
    placeholder: "duration",
    fallback: "90s",
    describe: "from a notice to the receipt",
    parse: durationWithin("1s", "10m"),
  },
  wrapTtl: {
    flag: "wrap-ttl",
    env: "WRAP_TTL",
    placeholder: "duration",
    fallback: "60s",
    describe: "life of a wrapping token unless the rule says otherwise",
    parse: durationWithin("1s", "120s"),
  },
  tokenRole: {
    flag: "token-role",
    env: "TOKEN_ROLE",
    placeholder: "role",
    fallback: "vaultbuddy",
    describe: "Vault token role unless the rule names one",
    parse: roleName,
  },
  noticeRate: {
    flag: "notice-rate",
    env: "NOTICE_RATE",
    placeholder: "count",
    fallback: "100",
    describe: "notices a second from one address; ten times as many in a burst",
    parse: wholeNumber(1, 100_000),
  },
  approleRoleId: {
    flag: "approle-role-id",
    env: "APPROLE_ROLE_ID",
    placeholder: "id",
    describe: "RoleID of the broker's AppRole login",
    parse: plainText,
  },
  approleMount: {
    flag: "approle-mount",
    env: "APPROLE_MOUNT",
    placeholder: "path",
    fallback: "approle",
    describe: "where AppRole is mounted",
    parse: roleName,
  },
  approleSecretIdFile: {
    flag: "approle-secret-id-file",
    env: "APPROLE_SECRET_ID_FILE",
    placeholder: "file",
    describe: "file with the SecretID, read at each login",
    parse: plainText,
  },
  vaultToken: {
    env: "VAULT_TOKEN",
    placeholder: "token",
    describe: "the broker's own Vault token",
    parse: secret,
  },
  vaultTokenFile: {
    flag: "vault-token-file",
    env: "VAULT_TOKEN_FILE",
    placeholder: "file",
    describe: "file with the broker's own Vault token, read at each login",
    parse: plainText,
  },
  vaultTimeout: {
    flag: "vault-timeout",
    env: "VAULT_TIMEOUT",
    placeholder: "duration",
    fallback: "10s",
    describe: "how long one call to Vault may take",
    parse: durationWithin("100ms", "90s"),
  },
  logLevel: {
    flag: "log-level",
    env: "LOG_LEVEL",
    placeholder: "level",
    fallback: "info",
    describe: `one of ${logLevels.join(", ")}`,
    parse: word(logLevels),
  },
  dev: {
    flag: "dev",
    env: "VAULTBUDDY_DEV",
    placeholder: "bool",
    fallback: "false",
    describe: "DEVELOPMENT ONLY: accept a root token",
    parse: boolean,
  },
} as const satisfies SettingTable;

/** Where claims are kept. */
export interface LedgerUrl {
  readonly kind: "sqlite";
  readonly path: string;
}

function ledgerUrl(text: string): LedgerUrl {
  const [, path] = /^sqlite:(.+)$/.exec(text) ?? [];
  if (path === undefined) {
    throw new Error("must be sqlite:FILE");
  }
  return { kind: "sqlite", path };
}

function label(text: string): { name: string; value: string } {
  const [, name, value] = /^([^=\s]{1,128})=([^\s]{1,256})$/.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new Error("must be NAME=VALUE");
  }
  return { name, value };
}

function roleName(text: string): string {
  if (!/^[\w-]{1,128}$/.test(text)) {
    throw new Error("must be a name of letters, digits, - and _");
  }
  return text;
}
