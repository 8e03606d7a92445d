// Vault's stand-in, the auth method AppRole: a RoleID and usually a SecretID become a token. Roles are in
// approle-role.ts, SecretIDs in approle-secret.ts and, by their accessors, in approle-accessor.ts. A SecretID ends
// exactly at its TTL here; Vault looks at ends only when it sweeps, once a minute, and takes one until then.

import { pattern } from "./backend.ts";
import type { Backend, Call, Reply } from "./backend.ts";
import { anyHolds, allWithin, plainAddress } from "./cidr.ts";
import type { Core } from "./core.ts";
import { failed, refuse } from "./fault.ts";
import { quote } from "./json.ts";
import { accessorRoutes } from "./approle-accessor.ts";
import { fieldRoutes } from "./approle-field.ts";
import { AppRoles } from "./approle-role.ts";
import type { AppRole } from "./approle-role.ts";
import { secretRoutes, subsetFault } from "./approle-secret.ts";
import type { SecretId } from "./approle-secret.ts";
import { loginFrom } from "./token-params.ts";

export function approleBackend(core: Core): Backend {
  const roles = new AppRoles(core);
  return {
    openPaths: ["login"],
    routes: [
      {
        pattern: pattern("login"),
        fields: { role_id: "string", secret_id: "string" },
        operations: { update: (call) => login(roles, call) },
      },
      ...roles.routes(),
      ...fieldRoutes(roles),
      ...secretRoutes(core, roles),
      ...accessorRoutes(roles),
      {
        pattern: pattern("tidy/secret-id"),
        operations: {
          update: () => ({
            status: 202,
            warnings: [
              "Tidy operation successfully started. Any information from the operation will be printed to Vault's server logs.",
            ],
          }),
        },
      },
    ],
    renew: (token) => {
      const name = token.meta?.["role_name"] ?? "";
      const role = roles.get(name);
      if (role === undefined)
        throw failed(
          `failed to renew entry: role ${quote(name)} does not exist during renewal`,
        );
      return role.params;
    },
  };
}

const wrongPair = "invalid role or secret ID";

function login(roles: AppRoles, call: Call): Reply {
  const { fields, request } = call;
  const roleId = fields.string("role_id").trim();
  if (roleId === "") throw refuse("missing role_id");
  const role = roles.byRoleId(roleId);
  if (role === undefined)
    throw refuse(roles.traits.oneText ? wrongPair : "invalid role ID");
  const address = plainAddress(request.remoteAddress);
  const secret = role.bindSecretId
    ? checkSecret(roles, role, fields.string("secret_id").trim(), address)
    : undefined;
  if (
    role.secretIdBoundCidrs.length > 0 &&
    !anyHolds(role.secretIdBoundCidrs, address)
  )
    throw refuse(
      `source address ${quote(address)} unauthorized by CIDR restrictions on the role: %!w(<nil>)`,
    );
  const boundCidrs =
    secret !== undefined && secret.tokenBoundCidrs.length > 0
      ? secret.tokenBoundCidrs
      : role.params.boundCidrs;
  return {
    login: {
      ...loginFrom(role.params),
      boundCidrs,
      displayName: "",
      alias: role.roleId,
      metadata: { ...secret?.metadata, role_name: role.name },
    },
  };
}

/** Takes one use of the SecretID, also when the caller's address then turns out to be wrong, as Vault does. */
function checkSecret(
  roles: AppRoles,
  role: AppRole,
  secretId: string,
  address: string,
): SecretId {
  if (secretId === "") throw refuse("missing secret_id");
  const secret = roles.secret(role, secretId);
  if (secret === undefined)
    throw refuse(roles.traits.oneText ? wrongPair : "invalid secret id");
  if (secret.numUses === 1) role.secrets.delete(secretId);
  else if (secret.numUses > 1) {
    secret.numUses -= 1;
    secret.updated = roles.now();
  }
  if (
    secret.cidrs.length > 0 &&
    role.secretIdBoundCidrs.length > 0 &&
    !allWithin(role.secretIdBoundCidrs, secret.cidrs)
  )
    throw failed(subsetFault(role.secretIdBoundCidrs, secret.cidrs));
  if (secret.cidrs.length > 0 && !anyHolds(secret.cidrs, address))
    throw refuse(
      secret.numUses === 0
        ? `source address ${quote(address)} unauthorized through CIDR restrictions on the secret ID`
        : `source address ${quote(address)} unauthorized by CIDR restrictions on the secret ID: %!w(<nil>)`,
    );
  return secret;
}
