// Vault's stand-in, renewal of a token: the auth method that made it says what its role grants now, and the one
// calculation of TTLs says the rest. A role of the token store overrules what the request once said, also to nothing.

import { failed, refuse } from "./fault.ts";
import type { Reply } from "./backend.ts";
import type { Core } from "./core.ts";
import { quote } from "./json.ts";
import type { Token } from "./token.ts";
import { grantTtl } from "./ttl.ts";

interface Terms {
  readonly ttl: number;
  readonly maxTtl: number;
  readonly period: number;
  readonly explicitMaxTtl: number;
}

/** Renews for `increment` milliseconds (0: as long as last time); undefined when the auth method won't. */
export function renewToken(
  core: Core,
  token: Token,
  increment: number,
): Reply | undefined {
  if (token.expires === undefined || !token.renewable)
    throw refuse("lease is not renewable");
  const terms = termsFor(core, token);
  if (terms === undefined) return undefined;
  const { ttl, warnings } = grantTtl({
    now: core.now(),
    defaultTtl: core.defaultTtl(token.path),
    systemMax: core.maxTtl(token.path),
    increment,
    backendTtl: terms.ttl,
    period: terms.period,
    backendMax: terms.maxTtl,
    explicitMax: terms.explicitMaxTtl,
    start: token.issued,
  });
  core.tokens.renew(token, ttl);
  return { auth: { token, metadata: token.meta }, warnings };
}

function termsFor(core: Core, token: Token): Terms | undefined {
  if (!token.path.startsWith("auth/token/")) {
    const mount = core.mounts.match(token.path);
    if (mount?.backend.renew === undefined)
      throw failed("unable to retrieve system view from router");
    const renewal = mount.backend.renew(token);
    if (renewal === undefined) return undefined;
    return { ...renewal, explicitMaxTtl: token.lease.explicitMaxTtl };
  }
  if (token.role === "")
    return {
      ttl: token.lease.ttl,
      maxTtl: 0,
      period: token.period,
      explicitMaxTtl: token.explicitMaxTtl,
    };
  const role = core.roles.get(token.role);
  if (role === undefined)
    throw failed(
      `failed to renew entry: original token role ${quote(token.role)} could not be found, not renewing`,
    );
  // Seen in Vault's source: only the role's limits hold here. A maximum that the request alone asked for is gone.
  return {
    ttl: token.lease.ttl,
    maxTtl: 0,
    period: role.period,
    explicitMaxTtl: role.explicitMaxTtl,
  };
}
