// Vault's stand-in, the paths that keep the two tables of mounts, and the one that tells a client what kind of mount
// answers a path. Only the engines that this stand-in has can be mounted: kv, database, pki, transit, and approle,
// userpass, aws.

import { approleBackend } from "./approle.ts";
import { awsBackend } from "./aws.ts";
import { pattern } from "./backend.ts";
import type { Backend, Call, Handler, Reply, Route } from "./backend.ts";
import type { Core } from "./core.ts";
import { databaseBackend } from "./database.ts";
import { wholeSeconds, parseSeconds } from "./duration.ts";
import { failed, Refusal, refuse } from "./fault.ts";
import { weakBoolean, weakString } from "./fields.ts";
import { quote } from "./json.ts";
import type { JsonObject } from "./json.ts";
import { kv1Backend } from "./kv1.ts";
import { kv2Backend } from "./kv2.ts";
import { describeMount, describeTuning } from "./mounts.ts";
import type { Mount, MountConfig, NewMount } from "./mounts.ts";
import { pkiBackend } from "./pki.ts";
import { tuneMount, tuneFields } from "./sys-tune.ts";
import { transitBackend } from "./transit.ts";
import { systemLease } from "./ttl.ts";
import { userpassBackend } from "./userpass.ts";

type Table = "secret" | "auth";
const protectedMounts = ["audit/", "auth/", "sys/", "cubbyhole/", "identity/"];
const mountFields = {
  type: "string",
  description: "string",
  config: "map",
  options: "pairs",
  local: "boolean",
  seal_wrap: "boolean",
  plugin_name: "string",
} as const;

export function sysMountRoutes(core: Core): Route[] {
  return [
    ...tableRoutes(core, "secret", "mounts"),
    ...tableRoutes(core, "auth", "auth"),
    {
      pattern: pattern("internal/ui/mounts"),
      operations: { read: (call) => visibleMounts(core, call) },
    },
    {
      pattern: pattern("internal/ui/mounts/(?<path>.+)"),
      operations: { read: (call) => visibleMount(core, call) },
    },
  ];
}

function tableRoutes(core: Core, table: Table, path: string): Route[] {
  const tuned = (call: Call): string =>
    `${table === "auth" ? "auth/" : ""}${slashed(call.fields.string("path"))}`;
  const remove: Handler = (call) => {
    unmount(core, table, slashed(call.fields.string("path")));
    return undefined;
  };
  return [
    {
      pattern: pattern(path),
      operations: {
        read: () => ({
          data: Object.fromEntries(
            core.mounts
              .list(table)
              .map((mount) => [mount.path, describeMount(mount)]),
          ),
        }),
      },
    },
    {
      pattern: pattern(`${path}/(?<path>.+?)/tune`),
      fields: tuneFields,
      operations: {
        read: (call) => {
          const mount = core.mounts.match(tuned(call));
          if (mount === undefined)
            throw refuse(`cannot fetch sysview for path ${quote(tuned(call))}`);
          return { data: describeTuning(mount) };
        },
        update: (call) => tuneMount(core, tuned(call), call.fields),
      },
    },
    {
      pattern: pattern(`${path}/(?<path>.+?)`),
      fields: mountFields,
      operations: {
        update: (call) => {
          addMount(core, readMount(table, call));
          return undefined;
        },
        delete: remove,
      },
    },
  ];
}

function slashed(path: string): string {
  return (path.endsWith("/") ? path : `${path}/`).replace(/^\//, "");
}

function readMount(table: Table, call: Call): NewMount {
  const { fields } = call;
  const type = fields.string("type");
  if (type === "") throw refuse("backend type must be specified as a string");
  const options = fields.pairs("options") ?? null;
  const wanted: NewMount = {
    table,
    path: slashed(fields.string("path")),
    type,
    description: fields.string("description"),
    local: fields.boolean("local"),
    sealWrap: fields.boolean("seal_wrap"),
    options,
    config: readConfig(table, fields.map("config") ?? {}),
  };
  if (table === "secret" && (type === "kv-v1" || type === "kv-v2"))
    return {
      ...wanted,
      type: "kv",
      options: { ...options, version: type === "kv-v1" ? "1" : "2" },
    };
  if (
    (options?.["version"] ?? "") !== "" &&
    (table === "auth" || type !== "kv")
  )
    throw refuse(
      `${table === "auth" ? "auth method" : "secrets engine"} ${quote(type)} does not allow setting a version`,
    );
  return wanted;
}

function readConfig(table: Table, given: JsonObject): Partial<MountConfig> {
  const ttl = (name: string, what: string): number => {
    const text = weakString(given[name] ?? null);
    if (text === "system") return 0;
    try {
      return parseSeconds(text);
    } catch (error) {
      throw refuse(
        `unable to parse ${what} TTL of ${text}: ${error instanceof Error ? error.message : ""}`,
      );
    }
  };
  const defaultTtl = ttl("default_lease_ttl", "default");
  const maxTtl = ttl("max_lease_ttl", "max");
  if (maxTtl !== 0 && defaultTtl > maxTtl)
    throw refuse("given default lease TTL greater than given max lease TTL");
  if (maxTtl === 0 && defaultTtl > systemLease)
    throw refuse(
      `given default lease TTL greater than system max lease TTL of ${wholeSeconds(systemLease)}`,
    );
  const listingVisibility = weakString(given["listing_visibility"] ?? null);
  if (!["", "hidden", "unauth"].includes(listingVisibility))
    throw refuse(`invalid listing_visibility ${listingVisibility}`);
  const tokenType = weakString(given["token_type"] ?? null);
  if (
    table === "auth" &&
    !["", "default-service", "default-batch", "service", "batch"].includes(
      tokenType,
    )
  )
    throw refuse("invalid value for 'token_type'");
  return {
    defaultTtl,
    maxTtl,
    listingVisibility,
    forceNoCache: weakBoolean(given["force_no_cache"] ?? null),
    tokenType: tokenType === "" ? "default-service" : tokenType,
  };
}

/** Mounts an engine; the texts are those of Vault's mount table. */
export function addMount(core: Core, wanted: NewMount): void {
  const { table, path, type } = wanted;
  if (table === "secret") {
    const guarded = protectedMounts.find((known) => path.startsWith(known));
    if (guarded !== undefined) throw refuse(`cannot mount ${quote(path)}`, 403);
  } else if (type === "token")
    throw refuse("token credential backend cannot be instantiated");
  const conflict = core.mounts.conflict(table, path);
  if (conflict !== undefined)
    throw refuse(`path is already in use at ${conflict.path}`);
  core.mounts.add(wanted, (mount) => engineFor(core, mount));
}

function engineFor(core: Core, mount: Omit<Mount, "backend">): Backend {
  if (mount.table === "secret" && mount.type === "kv")
    return mount.options?.["version"] === "2"
      ? kv2Backend(core)
      : kv1Backend(core, mount.route);
  if (mount.table === "secret" && mount.type === "database")
    return databaseBackend(core);
  if (mount.table === "secret" && mount.type === "pki") return pkiBackend(core);
  if (mount.table === "secret" && mount.type === "transit")
    return transitBackend(core);
  if (mount.table === "auth" && mount.type === "approle")
    return approleBackend(core);
  if (mount.table === "auth" && mount.type === "userpass")
    return userpassBackend();
  if (mount.table === "auth" && mount.type === "aws") return awsBackend();
  throw refuse(`plugin not found in the catalog: ${mount.type}`);
}

/** Unmounting what isn't there succeeds, so that nobody learns what is. */
function unmount(core: Core, table: Table, path: string): void {
  const route = table === "auth" ? `auth/${path}` : path;
  if (core.mounts.get(route) === undefined) return;
  if (table === "secret" && protectedMounts.includes(path))
    throw refuse(`cannot unmount ${quote(path)}`);
  if (route === "auth/token/")
    throw refuse("token credential backend cannot be disabled");
  if (table === "auth") core.tokens.revokePrefix(route);
  core.leases.endBelow(route);
  core.mounts.remove(route);
}

function visibleMounts(core: Core, call: Call): Reply {
  const acl =
    call.request.token === ""
      ? undefined
      : core.acl(core.authenticate(call.request));
  const shown = (table: Table): JsonObject =>
    Object.fromEntries(
      core.mounts
        .list(table)
        .filter(
          (mount) =>
            mount.config.listingVisibility === "unauth" ||
            acl?.seesMount(mount.route) === true,
        )
        .map((mount) => [
          mount.path,
          acl === undefined
            ? {
                type: mount.type,
                description: mount.description,
                options: mount.options,
              }
            : describeMount(mount),
        ]),
    );
  return { data: { secret: shown("secret"), auth: shown("auth") } };
}

function visibleMount(core: Core, call: Call): Reply {
  const path = slashed(call.fields.string("path"));
  const hidden = (): Refusal =>
    refuse(
      `preflight capability check returned 403, please ensure client's policies grant access to path ${quote(path)}`,
      403,
    );
  const mount = core.mounts.match(path);
  if (mount === undefined) throw hidden();
  // Seen in Vault: this path asks for the token itself, and a missing one is an internal error to it.
  if (call.request.token === "") throw failed("missing client token");
  const acl = core.acl(core.authenticate(call.request));
  if (!acl.seesMount(mount.route)) throw hidden();
  return { data: { ...describeMount(mount), path: mount.path } };
}
