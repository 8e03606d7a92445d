// Vault's stand-in, sys/: the system's own paths that need a request's token and policies. What must answer even when
// Vault is sealed (health, seal status, unseal) is in seal.ts, outside of all mounts.

import { pattern } from "./backend.ts";
import type { Backend, Call, Reply, Route } from "./backend.ts";
import type { Core } from "./core.ts";
import { failed, permissionDenied, refuse } from "./fault.ts";
import type { Json } from "./json.ts";
import { leaseRoutes } from "./sys-leases.ts";
import { sysMountRoutes } from "./sys-mounts.ts";
import { sysPolicyRoutes } from "./sys-policies.ts";
import { lookupWrapping, rewrap, unwrap } from "./wrapping.ts";

export function sysBackend(core: Core): Backend {
  return {
    rootPaths: [
      "auth/*",
      "remount",
      "audit",
      "audit/*",
      "raw",
      "raw/*",
      "rotate",
      "config/cors",
      "config/auditing/*",
      "config/ui/headers/*",
      "plugins/catalog/*",
      "revoke-prefix/*",
      "revoke-force/*",
      "leases/revoke-prefix/*",
      "leases/revoke-force/*",
      "leases/lookup/*",
    ],
    openPaths: [
      "wrapping/lookup",
      "internal/ui/mounts",
      "internal/ui/mounts/*",
    ],
    routes: [
      ...sysMountRoutes(core),
      ...sysPolicyRoutes(core),
      ...wrappingRoutes(core),
      ...capabilityRoutes(core),
      ...leaseRoutes(core),
    ],
  };
}

function wrappingRoutes(core: Core): Route[] {
  return [
    {
      pattern: pattern("wrapping/wrap"),
      operations: {
        update: (call): Reply => {
          if ((call.request.wrapTtl ?? 0) === 0)
            throw refuse("endpoint requires response wrapping to be used");
          return { data: call.request.data ?? {} };
        },
      },
    },
    {
      pattern: pattern("wrapping/unwrap"),
      fields: { token: "string" },
      operations: { update: (call) => unwrap(core, call.request) },
    },
    {
      pattern: pattern("wrapping/lookup"),
      fields: { token: "string" },
      operations: {
        update: (call) => lookupWrapping(core, call.request),
        read: (call) => lookupWrapping(core, call.request),
      },
    },
    {
      pattern: pattern("wrapping/rewrap"),
      fields: { token: "string" },
      operations: { update: (call) => rewrap(core, call.request) },
    },
  ];
}

function capabilityRoutes(core: Core): Route[] {
  const fields = {
    paths: "comma list",
    path: "comma list",
    accessor: "string",
  } as const;
  return [
    {
      pattern: pattern("capabilities-accessor"),
      fields,
      operations: {
        update: (call) => {
          const accessor = call.fields.string("accessor");
          if (accessor === "") throw refuse("missing accessor");
          const token = core.tokens.byAccessor(accessor);
          if (token === undefined) throw failed("invalid accessor", 400);
          return capabilities(core, call, token.id);
        },
      },
    },
    {
      pattern: pattern("capabilities"),
      fields,
      operations: {
        update: (call) => {
          const id = call.request.data?.["token"];
          return capabilities(core, call, typeof id === "string" ? id : "");
        },
      },
    },
    {
      pattern: pattern("capabilities-self"),
      fields,
      operations: {
        update: (call) => capabilities(core, call, call.request.token),
      },
    },
  ];
}

function capabilities(core: Core, call: Call, id: string): Reply {
  if (id === "") throw failed("no token found");
  const named = call.fields.list("paths");
  const paths = named.length > 0 ? named : call.fields.list("path");
  if (paths.length === 0) throw refuse("paths must be supplied");
  const token = core.tokens.find(id);
  if (token === undefined)
    throw call.path === "capabilities-self"
      ? failed(permissionDenied, 403)
      : failed("invalid token", 400);
  const acl = core.acl(token);
  const data: Record<string, Json> = {};
  for (const path of paths)
    data[path] =
      token.policies.length === 0 ? ["deny"] : acl.capabilities(path);
  const [only] = paths;
  if (paths.length === 1 && only !== undefined)
    data["capabilities"] = data[only] ?? null;
  return { data };
}
