// Vault's stand-in, the SecretIDs of AppRole: made or chosen, looked up, listed and destroyed by themselves; by their
// accessors in approle-accessor.ts.

import { listReply, nameGroup, pattern } from "./backend.ts";
import type { Call, Handler, Reply, Route } from "./backend.ts";
import type { AppRole, AppRoles } from "./approle-role.ts";
import { allWithin, isCidr } from "./cidr.ts";
import type { Core } from "./core.ts";
import { wholeSeconds } from "./duration.ts";
import { failed, refuse } from "./fault.ts";
import type { Fields, Schema } from "./fields.ts";
import { quote } from "./json.ts";
import { readMetadata } from "./approle-metadata.ts";
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
  const asked: Schema = {
    metadata: "string",
    cidr_list: "comma list",
    token_bound_cidrs: "comma list",
    ...(roles.traits.ownLimits && { num_uses: "integer", ttl: "duration" }),
  };
  return [
    {
      pattern: pattern(`${role}/secret-id/?`),
      fields: asked,
      operations: {
        update: (call) => make(core, roles, call, uuid()),
        list: (call) => list(roles, call),
      },
    },
    {
      pattern: pattern(`${role}/custom-secret-id/?`),
      fields: { ...asked, secret_id: "string" },
      operations: {
        update: (call) =>
          make(core, roles, call, call.fields.string("secret_id")),
      },
    },
    ...bySecret(roles, role),
  ];
}

function bySecret(roles: AppRoles, role: string): Route[] {
  const fields = { secret_id: "string" } as const;
  const destroy: Handler = (call) => {
    const owner = roleFor(roles, call, "secret_id");
    owner.secrets.delete(call.fields.string("secret_id"));
    return undefined;
  };
  return [
    {
      pattern: pattern(`${role}/secret-id/lookup/?`),
      fields,
      operations: {
        update: (call) => {
          const owner = roleFor(roles, call, "secret_id");
          const secret = roles.secret(owner, call.fields.string("secret_id"));
          return secret === undefined
            ? undefined
            : describeSecret(roles, secret);
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
export function roleFor(
  roles: AppRoles,
  call: Call,
  field: "secret_id" | "secret_id_accessor",
): AppRole {
  if (call.fields.string(field) === "") throw refuse(`missing ${field}`);
  const role = roles.of(call);
  if (role === undefined)
    throw failed(
      `role ${quote(call.fields.string("role_name"))} does not exist`,
    );
  return role;
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

/** The answer to a lookup; its TTL is the one that was asked for, its end the one that the mount allowed. */
export function describeSecret(roles: AppRoles, secret: SecretId): Reply {
  const time = (at: number | undefined): string =>
    at === undefined ? "0001-01-01T00:00:00Z" : new Date(at).toISOString();
  return {
    ...(roles.traits.wrappedAccessor && { wrappedAccessor: secret.accessor }),
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
  const limits = limitsOf(roles, role, fields);
  const metadata = metadataOf(fields);
  if (roles.secret(role, secretId) !== undefined)
    throw failed("failed to store secret_id: SecretID is already registered");
  const now = core.now();
  const ttl = Math.min(limits.ttl, core.maxTtl(call.mount.route));
  const secret: SecretId = {
    accessor: uuid(),
    ...limits,
    created: now,
    expires: ttl > 0 ? now + ttl : undefined,
    updated: now,
    metadata,
    cidrs,
    tokenBoundCidrs,
  };
  role.secrets.set(secretId, secret);
  const { wrappedAccessor, ownLimits } = roles.traits;
  return {
    ...(wrappedAccessor && { wrappedAccessor: secret.accessor }),
    data: {
      secret_id: secretId,
      secret_id_accessor: secret.accessor,
      secret_id_ttl: wholeSeconds(ttl),
      ...(ownLimits && { secret_id_num_uses: secret.numUses }),
    },
  };
}

/** The role's limits, or what the request asks for: never more than the role gives, and 0 is more than any number. */
function limitsOf(
  { traits }: AppRoles,
  role: AppRole,
  fields: Fields,
): { numUses: number; ttl: number } {
  const limits = { numUses: role.secretIdNumUses, ttl: role.secretIdTtl };
  if (!traits.ownLimits) return limits;
  const beyond = (asked: number, given: number): boolean =>
    given > 0 && (asked === 0 || asked > given);
  if (fields.has("num_uses")) {
    limits.numUses = fields.integer("num_uses");
    if (limits.numUses < 0) throw refuse("num_uses cannot be negative");
    if (beyond(limits.numUses, role.secretIdNumUses))
      throw refuse(
        "num_uses cannot be higher than the role's secret_id_num_uses",
      );
  }
  if (fields.has("ttl")) {
    limits.ttl = fields.duration("ttl");
    if (beyond(limits.ttl, role.secretIdTtl))
      throw refuse("ttl cannot be longer than the role's secret_id_ttl");
  }
  return limits;
}

function metadataOf(fields: Fields): Record<string, string> {
  try {
    return readMetadata(fields.string("metadata"));
  } catch (error) {
    throw refuse(
      `failed to parse metadata: ${error instanceof Error ? error.message : ""}`,
    );
  }
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
