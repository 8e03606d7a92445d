// Vault's stand-in, which policies a new token gets. A role with lists of its own decides alone; without one a token
// gets its parent's policies or a part of them, unless the caller has sudo on the path.

import { refuse } from "./fault.ts";
import { quote } from "./json.ts";
import {
  coveredByGlob,
  defaultPolicy,
  notAssignable,
  rootPolicy,
  tidyNames,
  tidyPolicies,
} from "./lists.ts";
import type { CreateAsked } from "./token-create.ts";
import type { TokenRole } from "./token-role.ts";
import type { Token } from "./token.ts";

export function choosePolicies(
  asked: CreateAsked,
  role: TokenRole | undefined,
  parent: Token,
  sudo: boolean,
  type: "service" | "batch",
): string[] {
  let policies =
    role !== undefined && hasLists(role)
      ? byRole(asked, role, parent)
      : byParent(asked, parent, sudo);
  if (asked.noDefaultPolicy)
    policies = policies.filter((name) => name !== defaultPolicy);
  const kept = policies.find((name) => notAssignable.includes(name));
  if (kept !== undefined) throw refuse(`cannot assign policy ${quote(kept)}`);
  if (policies.includes(rootPolicy)) {
    if (!parent.policies.includes(rootPolicy))
      throw refuse(
        "root tokens may not be created without parent token being root",
      );
    if (type === "batch") throw refuse("batch tokens cannot be root tokens");
  }
  return policies;
}

function hasLists(role: TokenRole): boolean {
  return [
    role.allowed,
    role.disallowed,
    role.allowedGlob,
    role.disallowedGlob,
  ].some((list) => list.length > 0);
}

function byRole(asked: CreateAsked, role: TokenRole, parent: Token): string[] {
  const addDefault =
    !asked.noDefaultPolicy &&
    !role.noDefaultPolicy &&
    !role.disallowed.includes(defaultPolicy) &&
    !coveredByGlob(role.disallowedGlob, defaultPolicy);
  let final =
    asked.policies.length > 0 ? tidyPolicies(asked.policies, addDefault) : [];
  if (role.allowed.length > 0 || role.allowedGlob.length > 0) {
    const allowed = tidyPolicies(role.allowed, addDefault);
    if (final.length === 0) final = allowed;
    else checkAllowed(final, allowed, role.allowedGlob);
  } else if (final.length === 0)
    final = tidyPolicies(parent.policies, addDefault);
  const forbidden = final.find(
    (name) =>
      role.disallowed.includes(name) ||
      coveredByGlob(role.disallowedGlob, name),
  );
  if (forbidden !== undefined)
    throw refuse(`token policy ${quote(forbidden)} is disallowed by this role`);
  return tidyPolicies(final, false);
}

function checkAllowed(
  wanted: readonly string[],
  allowed: readonly string[],
  globs: readonly string[],
): void {
  if (
    wanted.every((name) => allowed.includes(name) || coveredByGlob(globs, name))
  )
    return;
  const more = globs.length > 0 ? ` or glob policies (${quote(globs)})` : "";
  throw refuse(
    `token policies (${quote(wanted)}) must be subset of the role's allowed policies (${quote(allowed)})${more}`,
  );
}

function byParent(asked: CreateAsked, parent: Token, sudo: boolean): string[] {
  if (asked.policies.length === 0) return tidyNames(parent.policies);
  if (sudo) return tidyPolicies(asked.policies, !asked.noDefaultPolicy);
  const wanted = tidyPolicies(asked.policies, false);
  const owned = tidyPolicies(parent.policies, false);
  if (!wanted.every((name) => owned.includes(name)))
    throw refuse("child policies must be subset of parent");
  return tidyPolicies(
    wanted,
    !asked.noDefaultPolicy && owned.includes(defaultPolicy),
  );
}
