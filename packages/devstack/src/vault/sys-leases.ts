// Vault's stand-in, the paths of leases. What tokens lease is reached by their accessors, and by revoke-prefix.

import { listReply, pattern } from "./backend.ts";
import type { Call, Handler, Reply, Route } from "./backend.ts";
import type { Core } from "./core.ts";
import { refuse } from "./fault.ts";
import { describeLease } from "./leases.ts";

const fields = {
  lease_id: "string",
  url_lease_id: "string",
  increment: "signed duration",
  sync: "boolean",
} as const;

export function leaseRoutes(core: Core): Route[] {
  const endBelow = (call: Call): void => {
    const prefix = call.fields.string("prefix").replace(/\/?$/, "/");
    core.tokens.revokePrefix(prefix);
    core.leases.endBelow(prefix);
  };
  return [
    update("leases/lookup", (call) => {
      const lease = core.leases.find(named(call));
      if (lease === undefined) throw refuse("invalid lease");
      return { data: describeLease(lease, core.now()) };
    }),
    {
      pattern: pattern("leases/lookup/(?<prefix>.*)"),
      operations: {
        list: (call) =>
          listReply(core.leases.list(call.fields.string("prefix"))),
      },
    },
    update("(?:leases/)?renew(?:/(?<url_lease_id>.+))?", (call) => {
      const increment = call.fields.duration("increment");
      const { lease, warnings } = core.leases.renew(named(call), increment);
      return { leased: lease, warnings };
    }),
    update("(?:leases/)?revoke(?:/(?<url_lease_id>.+))?", (call) => {
      core.leases.revoke(named(call));
      return queued(call);
    }),
    update("(?:leases/)?revoke-prefix/(?<prefix>.+)", (call) => {
      endBelow(call);
      return queued(call);
    }),
    update("(?:leases/)?revoke-force/(?<prefix>.+)", (call) => {
      endBelow(call);
      return undefined;
    }),
  ];
}

function update(source: string, handler: Handler): Route {
  return {
    pattern: pattern(source),
    fields,
    operations: { update: handler },
  };
}

function named(call: Call): string {
  const id =
    call.fields.string("lease_id") || call.fields.string("url_lease_id");
  if (id === "") throw refuse("lease_id must be specified");
  return id;
}

/** Vault revokes later unless told to wait, and says so with 202; here it has always happened already. */
function queued(call: Call): Reply | undefined {
  return call.fields.boolean("sync")
    ? undefined
    : { raw: { status: 202, body: "" } };
}
