// Vault's stand-in, the SecretIDs of AppRole by their accessors: how somebody who never saw a SecretID looks it up and
// destroys it. Accessors are kept for the whole mount, SecretIDs below their role; where the two don't agree, the
// answers are Vault's own (builtin/credential/approle/path_role.go).
//
// What says that a SecretID is gone, for a caller who may ask: the lookup's 404 with the text in `data.error` and no
// `errors` (1.9 and later), its 500 with `failed to find accessor entry` (before), its 204 (nothing of this role is
// behind the accessor); the destroy's 500 with `failed to find accessor entry` (all). A 403 with `permission denied` in a
// list is the policy's and says nothing; destroy's 403 with `invalid secret id accessor` is that 204 (1.13 and later).
// Vault keeps the accessors of a deleted role for its next sweep, and so answers like that once the role is made anew;
// here they go with the role.

import { nameGroup, pattern } from "./backend.ts";
import type { Call, Handler, Route } from "./backend.ts";
import type { AppRole, AppRoles } from "./approle-role.ts";
import { describeSecret, roleFor } from "./approle-secret.ts";
import type { SecretId } from "./approle-secret.ts";
import { failed, refuse } from "./fault.ts";
import { quote } from "./json.ts";

interface Found {
  readonly owner: AppRole;
  readonly id: string;
  readonly secret: SecretId;
}

export function accessorRoutes(roles: AppRoles): Route[] {
  const fields = { secret_id_accessor: "string" } as const;
  const role = `role/${nameGroup("role_name")}`;
  const lookup: Handler = (call) => {
    const named = roleFor(roles, call, "secret_id_accessor");
    const found = find(roles, call);
    if (found === undefined && roles.traits.notFound)
      return { status: 404, data: { error: unknown(call) } };
    if (found === undefined) throw failed(unknown(call));
    return found.owner.name === named.name
      ? describeSecret(roles, found.secret)
      : undefined;
  };
  const destroy: Handler = (call) => {
    const named = roleFor(roles, call, "secret_id_accessor");
    const found = find(roles, call);
    if (found === undefined) throw failed(unknown(call));
    if (roles.traits.ownAccessors && found.owner.name !== named.name)
      throw refuse("invalid secret id accessor", 403);
    found.owner.secrets.delete(found.id);
    return undefined;
  };
  return [
    {
      pattern: pattern(`${role}/secret-id-accessor/lookup/?`),
      fields,
      operations: { update: lookup },
    },
    {
      pattern: pattern(`${role}/secret-id-accessor/destroy/?`),
      fields,
      operations: { update: destroy, delete: destroy },
    },
  ];
}

function find(roles: AppRoles, call: Call): Found | undefined {
  const accessor = call.fields.string("secret_id_accessor");
  for (const owner of roles.all())
    for (const [id, secret] of owner.secrets)
      if (secret.accessor === accessor && roles.secret(owner, id) !== undefined)
        return { owner, id, secret };
  return undefined;
}

function unknown(call: Call): string {
  return `failed to find accessor entry for secret_id_accessor: ${quote(call.fields.string("secret_id_accessor"))}`;
}
