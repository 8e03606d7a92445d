// Vault's stand-in, the paths of leases. No engine here leases anything; what tokens lease is reached by their accessors,
// and by revoke-prefix.

import { pattern } from "./backend.ts";
import type { Call, Handler, Reply, Route } from "./backend.ts";
import type { Core } from "./core.ts";
import { refuse } from "./fault.ts";

const fields = {
  lease_id: "string",
  url_lease_id: "string",
  increment: "signed duration",
  sync: "boolean",
} as const;

export function leaseRoutes(core: Core): Route[] {
  const revokePrefix = (call: Call): void => {
    core.tokens.revokePrefix(call.fields.string("prefix").replace(/\/?$/, "/"));
  };
  return [
    update("leases/lookup", (call) => {
      named(call);
      throw refuse("invalid lease");
    }),
    update("(?:leases/)?renew(?:/(?<url_lease_id>.+))?", (call) => {
      named(call);
      throw refuse("lease not found");
    }),
    update("(?:leases/)?revoke(?:/(?<url_lease_id>.+))?", (call) => {
      named(call);
      return queued(call);
    }),
    update("(?:leases/)?revoke-prefix/(?<prefix>.+)", (call) => {
      revokePrefix(call);
      return queued(call);
    }),
    update("(?:leases/)?revoke-force/(?<prefix>.+)", (call) => {
      revokePrefix(call);
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

function named(call: Call): void {
  const id =
    call.fields.string("lease_id") || call.fields.string("url_lease_id");
  if (id === "") throw refuse("lease_id must be specified");
}

/** Vault revokes later unless told to wait, and says so with 202; here it has always happened already. */
function queued(call: Call): Reply | undefined {
  return call.fields.boolean("sync")
    ? undefined
    : { raw: { status: 202, body: "" } };
}
