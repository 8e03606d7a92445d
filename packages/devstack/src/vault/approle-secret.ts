// Vault's stand-in, the SecretIDs of AppRole: made or chosen, looked up, listed and destroyed, by themselves and by
// their accessors.

import { listReply, nameGroup, pattern } from "./backend.ts";
import type { Call, Handler, Reply, Route } from "./backend.ts";
import type { AppRole, AppRoles } from "./approle-role.ts";
import { allWithin, isCidr } from "./cidr.ts";
import type { Core } from "./core.ts";
import { wholeSeconds } from "./duration.ts";
import { failed, refuse } from "./fault.ts";
import { weakString } from "./fields.ts";
import { isObject, quote } from "./json.ts";
import { uuid } from "./random.ts";

export interface SecretId {
  readonly accessor: string;
  /** Logins that are left, 0 for no limit. */
  numUses: number;
  readonly ttl: number;
  readonly created: number;
  readonly expires: number | undefined;
  updated: number;
  readonly metadata: Record<string, string>;
  readonly cidrs: readonly string[];
  readonly tokenBoundCidrs: readonly string[];
}

export function secretRoutes(core: Core, roles: AppRoles): Route[] {
  const role = `role/${nameGroup("role_name")}`;
  const generated = {
    metadata: "string",
    cidr_list: "comma list",
    token_bound_cidrs: "comma list",
  } as const;
  return [
    {
      pattern: pattern(`${role}/secret-id/?`),
      fields: generated,
      operations: {
        update: (call) => make(core, roles, call, uuid()),
        list: (call) => list(roles, call),
      },
    },
    {
      pattern: pattern(`${role}/custom-secret-id/?`),
      fields: { ...generated, secret_id: "string" },
      operations: {
        update: (call) =>
          make(core, roles, call, call.fields.string("secret_id")),
      },
    },
    ...bySecret(roles, role),
    ...byAccessor(roles, role),
  ];
}

function bySecret(roles: AppRoles, role: string): Route[] {
  const fields = { secret_id: "string" } as const;
  const destroy: Handler = (call) => {
    const owner = required(roles, call);
    owner.secrets.delete(call.fields.string("secret_id"));
    return undefined;
  };
  return [
    {
      pattern: pattern(`${role}/secret-id/lookup/?`),
      fields,
      operations: {
        update: (call) => {
          const owner = required(roles, call);
          const secret = roles.secret(owner, call.fields.string("secret_id"));
          return secret === undefined ? undefined : describe(secret);
        },
      },
    },
    {
      pattern: pattern(`${role}/secret-id/destroy/?`),
      fields,
      operations: { update: destroy, delete: destroy },
    },
  ];
}

/** The role that the path names, once the field that must come along has been seen. */
function required(roles: AppRoles, call: Call): AppRole {
  for (const name of ["secret_id", "secret_id_accessor"])
    if (call.fields.raw[name] === "") throw refuse(`missing ${name}`);
  const named = ["secret_id", "secret_id_accessor"].some(
    (name) => call.fields.raw[name] !== undefined,
  );
  if (!named)
    throw refuse(
      `missing ${call.path.includes("accessor") ? "secret_id_accessor" : "secret_id"}`,
    );
  const role = roles.of(call);
  if (role === undefined)
    throw failed(
      `role ${quote(call.fields.string("role_name"))} does not exist`,
    );
  return role;
}

function byAccessor(roles: AppRoles, role: string): Route[] {
  const fields = { secret_id_accessor: "string" } as const;
  const find = (call: Call): [AppRole, string, SecretId] => {
    const owner = required(roles, call);
    const accessor = call.fields.string("secret_id_accessor");
    for (const [id, secret] of owner.secrets)
      if (secret.accessor === accessor && roles.secret(owner, id) !== undefined)
        return [owner, id, secret];
    throw failed(
      `failed to find accessor entry for secret_id_accessor: ${quote(accessor)}`,
    );
  };
  const destroy: Handler = (call) => {
    const [owner, id] = find(call);
    owner.secrets.delete(id);
    return undefined;
  };
  return [
    {
      pattern: pattern(`${role}/secret-id-accessor/lookup/?`),
      fields,
      operations: { update: (call) => describe(find(call)[2]) },
    },
    {
      pattern: pattern(`${role}/secret-id-accessor/destroy/?`),
      fields,
      operations: { update: destroy, delete: destroy },
    },
  ];
}

function list(roles: AppRoles, call: Call): Reply {
  const role = roles.of(call);
  if (role === undefined)
    throw failed(
      `role ${quote(call.fields.string("role_name"))} does not exist`,
    );
  return listReply(
    [...role.secrets]
      .filter(([id]) => roles.secret(role, id) !== undefined)
      .map(([, secret]) => secret.accessor),
  );
}

function describe(secret: SecretId): Reply {
  const time = (at: number | undefined): string =>
    at === undefined ? "0001-01-01T00:00:00Z" : new Date(at).toISOString();
  return {
    data: {
      secret_id_accessor: secret.accessor,
      secret_id_num_uses: secret.numUses,
      secret_id_ttl: wholeSeconds(secret.ttl),
      creation_time: time(secret.created),
      expiration_time: time(secret.expires),
      last_updated_time: time(secret.updated),
      metadata: secret.metadata,
      cidr_list: [...secret.cidrs],
      token_bound_cidrs: [...secret.tokenBoundCidrs],
    },
  };
}

function make(
  core: Core,
  roles: AppRoles,
  call: Call,
  secretId: string,
): Reply {
  const { fields } = call;
  if (secretId === "") throw refuse("missing secret_id");
  const role = roles.of(call);
  if (role === undefined)
    throw refuse(
      `role ${quote(fields.string("role_name"))} does not exist`,
      404,
    );
  if (!role.bindSecretId) throw refuse("bind_secret_id is not set on the role");
  const cidrs = fields.list("cidr_list");
  checkCidrs(cidrs, role.secretIdBoundCidrs, "CIDR");
  const tokenBoundCidrs = fields.list("token_bound_cidrs");
  checkCidrs(tokenBoundCidrs, role.params.boundCidrs, "token CIDR");
  const metadata = readMetadata(fields.string("metadata"));
  if (roles.secret(role, secretId) !== undefined)
    throw failed("failed to store secret_id: SecretID is already registered");
  const now = core.now();
  const ttl = Math.min(role.secretIdTtl, core.maxTtl(call.mount.route));
  const secret: SecretId = {
    accessor: uuid(),
    numUses: role.secretIdNumUses,
    ttl: role.secretIdTtl,
    created: now,
    expires: ttl > 0 ? now + ttl : undefined,
    updated: now,
    metadata,
    cidrs,
    tokenBoundCidrs,
  };
  role.secrets.set(secretId, secret);
  return {
    data: {
      secret_id: secretId,
      secret_id_accessor: secret.accessor,
      secret_id_ttl: wholeSeconds(ttl),
    },
  };
}

function checkCidrs(
  blocks: readonly string[],
  outer: readonly string[],
  what: string,
): void {
  if (blocks.length === 0) return;
  const wrong = blocks.find((block) => !isCidr(block));
  if (wrong !== undefined)
    throw failed(
      `failed to validate ${what} blocks: invalid CIDR address: ${wrong}`,
    );
  if (outer.length > 0 && !allWithin(outer, blocks))
    throw failed(subsetFault(outer, blocks));
}

/** Vault's text, with the mark that Go leaves where it formats an error that isn't there. */
export function subsetFault(
  outer: readonly string[],
  inner: readonly string[],
): string {
  return `failed to verify subset relationship between CIDR blocks on the role ${quote(outer)} and CIDR blocks on the secret ID ${quote(inner)}: %!w(<nil>)`;
}

/** Metadata comes as JSON or as `a=b,c=d`, either of them perhaps in base64. */
function readMetadata(text: string): Record<string, string> {
  const plain = text.trim();
  if (plain === "") return {};
  for (const candidate of [plain, decoded(plain)]) {
    const pairs = candidate === undefined ? undefined : pairsOf(candidate);
    if (pairs !== undefined) return pairs;
  }
  throw refuse(
    "failed to parse metadata: failed to parse arbitrary key values",
  );
}

function decoded(text: string): string | undefined {
  return /^[\w+/]+={0,2}$/.test(text)
    ? Buffer.from(text, "base64").toString()
    : undefined;
}

function pairsOf(text: string): Record<string, string> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    if (isObject(parsed))
      return Object.fromEntries(
        Object.entries(parsed).map(([key, value]) => [key, weakString(value)]),
      );
  } catch {
    // Not JSON: the other form may fit.
  }
  const pairs = text.split(",").map((pair) => pair.split("="));
  if (!pairs.every((pair) => pair.length === 2 && pair[0]?.trim() !== ""))
    return undefined;
  return Object.fromEntries(
    pairs.map(([key = "", value = ""]) => [key.trim(), value.trim()]),
  );
}
