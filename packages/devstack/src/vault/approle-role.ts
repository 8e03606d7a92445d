// Vault's stand-in, the roles of AppRole: written as a whole or field by field below role/:name/.

import { listReply, nameGroup, pattern } from "./backend.ts";
import type { Call, Handler, Reply, Route } from "./backend.ts";
import { isCidr } from "./cidr.ts";
import type { Core } from "./core.ts";
import { wholeSeconds } from "./duration.ts";
import { failed, refuse } from "./fault.ts";
import type { Fields, Schema } from "./fields.ts";
import type { Json } from "./json.ts";
import type { AppRoleTraits } from "./approle-release.ts";
import type { SecretId } from "./approle-secret.ts";
import { tidyPolicies } from "./lists.ts";
import { uuid } from "./random.ts";
import { Storage } from "./storage.ts";
import {
  describeTokenParams,
  newTokenParams,
  tokenFields,
  writeTokenParams,
} from "./token-params.ts";
import type { TokenParams } from "./token-params.ts";
import { systemLease } from "./ttl.ts";

export interface AppRole {
  readonly name: string;
  roleId: string;
  bindSecretId: boolean;
  secretIdBoundCidrs: readonly string[];
  secretIdNumUses: number;
  /** Milliseconds, 0 for no end. */
  secretIdTtl: number;
  localSecretIds: boolean;
  readonly params: TokenParams;
  /** Written with the old names `policies` and `period`, which reading shows again. */
  oldPolicies: boolean;
  oldPeriod: boolean;
  /** By the SecretID itself. */
  readonly secrets: Map<string, SecretId>;
}

const roleFields: Schema = {
  ...tokenFields,
  bind_secret_id: "boolean",
  bound_cidr_list: "comma list",
  secret_id_bound_cidrs: "comma list",
  policies: "comma list",
  period: "duration",
  secret_id_num_uses: "integer",
  secret_id_ttl: "duration",
  role_id: "string",
  local_secret_ids: "boolean",
};

export class AppRoles {
  readonly #core: Core;
  readonly #roles = new Storage<AppRole>();

  constructor(core: Core) {
    this.#core = core;
  }

  get traits(): AppRoleTraits {
    return this.#core.approle;
  }

  all(): AppRole[] {
    return this.#roles
      .keys()
      .map((name) => this.#roles.get(name))
      .filter((role) => role !== undefined);
  }

  now(): number {
    return this.#core.now();
  }

  get(name: string): AppRole | undefined {
    return this.#roles.get(name.toLowerCase());
  }

  of(call: Call): AppRole | undefined {
    return this.get(call.fields.string("role_name"));
  }

  byRoleId(roleId: string): AppRole | undefined {
    return this.all().find((role) => role.roleId === roleId);
  }

  /** A SecretID of the role that hasn't ended. */
  secret(role: AppRole, secretId: string): SecretId | undefined {
    const secret = role.secrets.get(secretId);
    if (secret?.expires !== undefined && secret.expires <= this.now()) {
      role.secrets.delete(secretId);
      return undefined;
    }
    return secret;
  }

  /** Stores the role, unless it would let anybody in or takes another's RoleID. */
  put(role: AppRole): void {
    if (
      !role.bindSecretId &&
      role.secretIdBoundCidrs.length === 0 &&
      role.params.boundCidrs.length === 0
    )
      throw failed("at least one constraint should be enabled on the role");
    const holder = this.byRoleId(role.roleId);
    if (holder !== undefined && holder.name !== role.name)
      throw failed("role_id already in use");
    this.#roles.set(role.name, role);
  }

  routes(): Route[] {
    const write: Handler = (call) => this.#write(call);
    return [
      {
        pattern: pattern("role/?"),
        operations: { list: () => listReply(this.#roles.list("")) },
      },
      {
        pattern: pattern(`role/${nameGroup("role_name")}`),
        fields: roleFields,
        exists: (call) => this.of(call) !== undefined,
        operations: {
          create: write,
          update: write,
          read: (call) => describeRole(this.of(call)),
          delete: (call) => {
            this.#roles.delete(call.fields.string("role_name").toLowerCase());
            return undefined;
          },
        },
      },
    ];
  }

  #write(call: Call): Reply | undefined {
    const { fields } = call;
    const before = this.of(call);
    const role: AppRole =
      before === undefined
        ? newRole(fields.string("role_name").toLowerCase())
        : { ...before, params: { ...before.params } };
    if (fields.has("local_secret_ids")) {
      if (before !== undefined)
        throw refuse(
          "local_secret_ids can only be modified during role creation",
        );
      role.localSecretIds = fields.boolean("local_secret_ids");
    }
    if (fields.has("role_id")) role.roleId = fields.string("role_id");
    if (role.roleId === "")
      throw refuse("invalid role_id supplied, or failed to generate a role_id");
    try {
      writeTokenParams(role.params, fields);
    } catch (error) {
      throw refuse(error instanceof Error ? error.message : "");
    }
    writeFields(role, fields);
    this.put(role);
    return role.params.maxTtl > systemLease
      ? {
          warnings: [
            "token_max_ttl is greater than the backend mount's maximum TTL value; issued tokens' max TTL value will be truncated",
          ],
        }
      : undefined;
  }
}

export function newRole(name: string): AppRole {
  return {
    name,
    roleId: uuid(),
    bindSecretId: true,
    secretIdBoundCidrs: [],
    secretIdNumUses: 0,
    secretIdTtl: 0,
    localSecretIds: false,
    params: newTokenParams(),
    oldPolicies: false,
    oldPeriod: false,
    secrets: new Map(),
  };
}

export function writeFields(role: AppRole, fields: Fields): void {
  if (fields.has("bind_secret_id"))
    role.bindSecretId = fields.boolean("bind_secret_id");
  const cidrs = ["secret_id_bound_cidrs", "bound_cidr_list"].find((name) =>
    fields.has(name),
  );
  if (cidrs !== undefined) role.secretIdBoundCidrs = fields.list(cidrs);
  if (!role.secretIdBoundCidrs.every(isCidr))
    throw refuse("invalid CIDR blocks");
  if (fields.has("token_policies")) role.oldPolicies = fields.has("policies");
  else if (fields.has("policies")) {
    role.params.policies = tidyPolicies(fields.list("policies"), false);
    role.oldPolicies = true;
  }
  if (fields.has("token_period")) role.oldPeriod = fields.has("period");
  else if (fields.has("period")) {
    role.params.period = fields.duration("period");
    role.oldPeriod = true;
  }
  if (fields.has("secret_id_num_uses"))
    role.secretIdNumUses = fields.integer("secret_id_num_uses");
  if (role.secretIdNumUses < 0)
    throw refuse("secret_id_num_uses cannot be negative");
  if (fields.has("secret_id_ttl"))
    role.secretIdTtl = fields.duration("secret_id_ttl");
}

function listOrNull(list: readonly string[]): Json {
  return list.length === 0 ? null : [...list];
}

export function describeRole(role: AppRole | undefined): Reply | undefined {
  if (role === undefined) return undefined;
  return {
    data: {
      ...describeTokenParams(role.params),
      bind_secret_id: role.bindSecretId,
      secret_id_bound_cidrs: listOrNull(role.secretIdBoundCidrs),
      secret_id_num_uses: role.secretIdNumUses,
      secret_id_ttl: wholeSeconds(role.secretIdTtl),
      local_secret_ids: role.localSecretIds,
      ...(role.oldPeriod && { period: wholeSeconds(role.params.period) }),
      ...(role.oldPolicies && { policies: [...role.params.policies] }),
    },
  };
}
