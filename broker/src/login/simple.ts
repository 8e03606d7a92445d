// The ways to log in that are one call: a token as it is, AppRole, userpass, and a token in a cubbyhole. Files are read
// at each login, so that a rotated one is followed.

import type { Secret } from "@vaultbuddy/common";
import type { LoginMethod } from "./method.ts";

/** The broker's own token, given from outside. */
export function tokenLogin(token: () => Secret): LoginMethod {
  return {
    kind: "token",
    repeatable: false,
    login: async (api) => await api.lookupSelf(token()),
  };
}

/** AppRole. */
export function appRoleLogin(
  mount: string,
  roleId: string,
  secretId: () => Secret,
): LoginMethod {
  return {
    kind: "approle",
    repeatable: true,
    login: async (api) =>
      await api.login("the broker's AppRole login", `auth/${mount}/login`, {
        role_id: roleId,
        secret_id: secretId().expose(),
      }),
  };
}

/** A user name and a password. */
export function userpassLogin(
  mount: string,
  username: string,
  password: () => Secret,
): LoginMethod {
  return {
    kind: "userpass",
    repeatable: true,
    login: async (api) =>
      await api.login(
        "the broker's userpass login",
        `auth/${mount}/login/${username}`,
        { password: password().expose() },
      ),
  };
}

/** A token that somebody put into the cubbyhole of a temporary one, as vault-gatekeeper has it. */
export function cubbyholeLogin(
  temporary: () => Secret,
  path: string,
): LoginMethod {
  let found: Secret | undefined;
  return {
    kind: "cubbyhole",
    repeatable: false,
    login: async (api) => {
      // The temporary token may have had one use only: what it gave is kept.
      found ??= await api.cubbyhole(temporary(), path);
      return await api.lookupSelf(found);
    },
  };
}
