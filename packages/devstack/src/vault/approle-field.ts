// Vault's stand-in, the paths below an AppRole role that read, write and reset one of its fields each.

import { nameGroup, pattern } from "./backend.ts";
import type { Route } from "./backend.ts";
import { describeRole, newRole, writeFields } from "./approle-role.ts";
import type { AppRole, AppRoles } from "./approle-role.ts";
import { failed, refuse } from "./fault.ts";
import type { Fields, FieldType } from "./fields.ts";
import { quote } from "./json.ts";
import { writeTokenParams } from "./token-params.ts";

/** The paths that read, write and reset one field of a role. */
export function fieldRoutes(roles: AppRoles): Route[] {
  const own = (path: string, field: string, type: FieldType): Route => ({
    pattern: pattern(`role/${nameGroup("role_name")}/${path}/?`),
    fields: { [field]: type },
    operations: {
      read: (call) => {
        const value = describeRole(roles.of(call))?.data?.[field];
        return value === undefined ? undefined : { data: { [field]: value } };
      },
      update: (call) => {
        const before = roles.of(call);
        if (before === undefined) throw failed("unsupported path", 404);
        if (!call.fields.has(field)) throw refuse(`missing ${field}`);
        const role = { ...before, params: { ...before.params } };
        writeOne(role, call.fields);
        roles.put(role);
        return undefined;
      },
      delete: (call) => {
        const before = roles.of(call);
        if (before === undefined) return undefined;
        const role = { ...before, params: { ...before.params } };
        reset(role, field);
        roles.put(role);
        return undefined;
      },
    },
  });
  return [
    roleIdRoute(roles),
    own("policies", "token_policies", "comma list"),
    own("bind-secret-id", "bind_secret_id", "boolean"),
    own("secret-id-bound-cidrs", "secret_id_bound_cidrs", "comma list"),
    own("token-bound-cidrs", "token_bound_cidrs", "comma list"),
    own("secret-id-num-uses", "secret_id_num_uses", "integer"),
    own("secret-id-ttl", "secret_id_ttl", "duration"),
    own("period", "token_period", "duration"),
    own("token-num-uses", "token_num_uses", "integer"),
    own("token-ttl", "token_ttl", "duration"),
    own("token-max-ttl", "token_max_ttl", "duration"),
  ];
}

function roleIdRoute(roles: AppRoles): Route {
  return {
    pattern: pattern(`role/${nameGroup("role_name")}/role-id/?`),
    fields: { role_id: "string" },
    operations: {
      read: (call) => {
        const role = roles.of(call);
        return role === undefined
          ? undefined
          : { data: { role_id: role.roleId } };
      },
      update: (call) => {
        const role = roles.of(call);
        if (role === undefined) throw failed("unsupported path", 404);
        const roleId = call.fields.string("role_id");
        if (roleId === "") throw refuse("missing role_id");
        roles.put({ ...role, roleId });
        return undefined;
      },
    },
  };
}

function writeOne(role: AppRole, fields: Fields): void {
  try {
    writeTokenParams(role.params, fields);
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : "");
  }
  writeFields(role, fields);
}

function reset(role: AppRole, field: string): void {
  const fresh = newRole(role.name);
  const names: Record<string, () => void> = {
    token_policies: () => (role.params.policies = []),
    bind_secret_id: () => (role.bindSecretId = true),
    secret_id_bound_cidrs: () => (role.secretIdBoundCidrs = []),
    token_bound_cidrs: () => (role.params.boundCidrs = []),
    secret_id_num_uses: () => (role.secretIdNumUses = fresh.secretIdNumUses),
    secret_id_ttl: () => (role.secretIdTtl = fresh.secretIdTtl),
    token_period: () => (role.params.period = 0),
    token_num_uses: () => (role.params.numUses = 0),
    token_ttl: () => (role.params.ttl = 0),
    token_max_ttl: () => (role.params.maxTtl = 0),
  };
  const change = names[field];
  if (change === undefined)
    throw failed(`unrecognized field provided: ${quote(field)}`);
  change();
}
