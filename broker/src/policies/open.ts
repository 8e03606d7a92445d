// The policy in force, put together with what it is read from and what is asked of it before it comes into force.

import type { Clock } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import type { BrokerConfig } from "../config.ts";
import { LoginFault } from "../login.ts";
import type { Session } from "../login.ts";
import { inspectRoles, needsOfRules } from "../needs.ts";
import { Policies } from "../policies.ts";
import type { Policy } from "../policy.ts";
import type { VaultApi } from "../vault/api.ts";
import { openKv } from "../vault/kv.ts";
import type { VaultTransport } from "../vault/transport.ts";
import { fileSource, vaultSource } from "./documents.ts";
import type { PolicySource } from "./documents.ts";

/** What opening needs. */
export interface OpenDeps {
  readonly transport: VaultTransport;
  readonly api: VaultApi;
  readonly session: Pick<Session, "token" | "lacking">;
  readonly clock: Clock;
  readonly log: Log;
}

/** Opens the policy; one from a file is in force at once. */
export function openPolicies(config: BrokerConfig, deps: OpenDeps): Policies {
  const { clock, log } = deps;
  const place = config.policySource;
  const accept = (policy: Policy): Promise<void> =>
    acceptPolicy(policy, config.tokenRole, deps);
  const source = sourceOf(config, deps);
  return new Policies(
    { source, clock, log, accept },
    place.kind === "file"
      ? {
          documents: [{ source: place.path, text: place.text }],
          policy: place.policy,
        }
      : undefined,
  );
}

function sourceOf(config: BrokerConfig, deps: OpenDeps): PolicySource {
  const place = config.policySource;
  return place.kind === "file"
    ? fileSource(place.path, config.readFile)
    : vaultSource({
        kv: openKv(deps.transport),
        token: () => deps.session.token(),
        path: place.path,
        nested: config.policiesNested,
        refresh: config.policiesRefresh,
      });
}

/** Refuses a policy with a role that the broker's token cannot use, and warns of roles that bound too little. */
async function acceptPolicy(
  policy: Policy,
  tokenRole: string,
  { api, session, log }: OpenDeps,
): Promise<void> {
  const lacking = await session.lacking(needsOfRules(policy, tokenRole));
  if (lacking.length > 0) {
    throw new LoginFault(
      `the policy has rules for which the broker's token lacks ${lacking.join(", ")}`,
    );
  }
  await inspectRoles(policy, { api, token: session.token(), tokenRole, log });
}
