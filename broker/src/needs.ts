// What the broker's own token must be able to do, by path; checked at each login and before a policy comes into force,
// so that a missing line in its Vault policy is told at once and not when a container waits. Also what its token roles
// must say: the life of a token ends where its role says, and nowhere else.
//
// By the renewal in Vault's own source: explicit_max_ttl of a request is forgotten when a token that was made through a role is renewed.
// Only the role's token_explicit_max_ttl bounds renewals.

import type { Secret } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import type { Needs } from "./login.ts";
import type { Policy } from "./policy.ts";
import type { TokenRole, VaultApi } from "./vault/api.ts";
import { VaultRefused } from "./vault/api.ts";

/** What the broker needs whatever its policy says. */
export function needsAlways(tokenRole: string): Needs {
  return new Map(
    [
      `auth/token/create/${tokenRole}`,
      "auth/token/revoke-accessor",
      "auth/token/lookup-accessor",
    ].map((path) => [path, ["update"]]),
  );
}

/** What a policy's rules need. */
export function needsOfRules(policy: Policy, tokenRole: string): Needs {
  return new Map(
    [...rolesOf(policy, tokenRole).keys()].map((role) => [
      `auth/token/create/${role}`,
      ["update"],
    ]),
  );
}

/** The token roles that a policy's rules use, each with the longest ttl that is asked of it, in seconds. */
function rolesOf(
  policy: Policy,
  tokenRole: string,
): ReadonlyMap<string, number> {
  const longest = new Map<string, number>();
  for (const rule of policy.rules) {
    const role = rule.role ?? tokenRole;
    longest.set(role, Math.max(longest.get(role) ?? 0, rule.ttl));
  }
  return longest;
}

/** What looking at roles needs. */
export interface RoleDeps {
  readonly api: Pick<VaultApi, "capabilities" | "tokenRole">;
  readonly token: Secret;
  readonly tokenRole: string;
  readonly log: Log;
}

/**
 * Warns of token roles that do not bound what they should. Needs `read` on auth/token/roles/ROLE; without it nothing is
 * looked at, and that is told. Throws Refusal when Vault is away.
 */
export async function inspectRoles(
  policy: Policy,
  { api, token, tokenRole, log }: RoleDeps,
): Promise<void> {
  const longest = rolesOf(policy, tokenRole);
  const paths = [...longest.keys()].map((role) => `auth/token/roles/${role}`);
  if (paths.length === 0) {
    return;
  }
  const can = await api.capabilities(token, paths);
  for (const [role, ttl] of longest) {
    const has = can.get(`auth/token/roles/${role}`) ?? [];
    if (has.includes("read") || has.includes("root")) {
      const found = await api.tokenRole(token, role).catch(missing);
      for (const warning of found === undefined
        ? ["the token role does not exist"]
        : weaknesses(found, ttl)) {
        log.warn({ role, ttl }, warning);
      }
    } else {
      log.info(
        { role },
        "the token role is not looked at: the broker may not read auth/token/roles",
      );
    }
  }
}

/** What is wrong with a role for tokens that are to live `ttl` seconds. */
function weaknesses(role: TokenRole, ttl: number): string[] {
  return [
    ...(role.explicitMaxTtl === 0
      ? [
          "tokens of this role can be renewed for ever, because Vault forgets a request's explicit_max_ttl: set token_explicit_max_ttl",
        ]
      : []),
    ...(role.explicitMaxTtl > 0 && role.explicitMaxTtl < ttl
      ? [
          "a rule's ttl is longer than its role lets a token live: raise token_explicit_max_ttl or lower the ttl",
        ]
      : []),
    ...(role.orphan
      ? []
      : ["tokens of this role end with the broker's own: set orphan=true"]),
    ...(role.renewable
      ? []
      : [
          "tokens of this role end a minute and a half after they were made, whatever the rule's ttl: set renewable=true",
        ]),
    ...(role.namesPolicies
      ? []
      : [
          "this role gives any policy that the broker itself has: set allowed_policies",
        ]),
  ];
}

function missing(error: unknown): undefined {
  if (!(error instanceof VaultRefused)) {
    throw error;
  }
}
