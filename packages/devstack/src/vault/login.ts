// Vault's stand-in, the end of a login: what the auth method vouches for becomes a token without a parent.

import type { LoginReply, Reply, VaultRequest } from "./backend.ts";
import type { Core } from "./core.ts";
import { refuse } from "./fault.ts";
import { quote } from "./json.ts";
import { notAssignable, rootPolicy, tidyPolicies } from "./lists.ts";
import type { Mount } from "./mounts.ts";
import { grantTtl } from "./ttl.ts";

export function finishLogin(
  core: Core,
  mount: Mount,
  request: VaultRequest,
  reply: Reply,
): Reply {
  const { login } = reply;
  if (login === undefined) return reply;
  const { ttl, warnings } = grantTtl({
    now: core.now(),
    defaultTtl: core.defaultTtl(mount.route),
    systemMax: core.maxTtl(mount.route),
    increment: 0,
    backendTtl: login.ttl,
    period: login.period,
    backendMax: login.maxTtl,
    explicitMax: login.explicitMaxTtl,
    start: undefined,
  });
  const policies = tidyPolicies(login.policies, !login.noDefaultPolicy);
  if (policies.includes(rootPolicy))
    throw refuse("auth methods cannot create root tokens");
  const kept = policies.find((name) => notAssignable.includes(name));
  if (kept !== undefined) throw refuse(`cannot assign policy ${quote(kept)}`);
  const type = typeFor(mount, login);
  const token = core.tokens.create({
    parent: "",
    policies,
    path: request.path,
    meta: login.metadata,
    displayName:
      `${mount.path.replaceAll("/", "-")}${login.displayName}`.replace(
        /-$/,
        "",
      ),
    numUses: type === "batch" ? 0 : login.numUses,
    ttl,
    explicitMaxTtl: login.explicitMaxTtl,
    period: login.period,
    type,
    entityId: core.entityFor(mount, login.alias),
    role: "",
    boundCidrs: login.boundCidrs,
    renewable: type === "service",
    lease: {
      ttl,
      period: login.period,
      explicitMaxTtl: login.explicitMaxTtl,
    },
  });
  return {
    auth: { token, metadata: login.metadata },
    warnings: [...(reply.warnings ?? []), ...warnings],
  };
}

/** The mount decides where it has a mind of its own, else the role does. */
function typeFor(mount: Mount, login: LoginReply): "service" | "batch" {
  const { tokenType } = mount.config;
  if (tokenType === "service" || tokenType === "batch") return tokenType;
  if (login.tokenType === "batch") return "batch";
  const undecided = login.tokenType === "" || login.tokenType === "default";
  return undecided && tokenType === "default-batch" ? "batch" : "service";
}
