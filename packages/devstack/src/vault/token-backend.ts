// Vault's stand-in, auth/token: the paths that create, look up, renew and revoke tokens. What they say no with, and
// with which status, is Vault 1.8's; which error is shown bare and which in a list is part of it.

import { failed, permissionDenied, refuse } from "./fault.ts";
import { nameGroup, pattern } from "./backend.ts";
import type { Backend, Call, Handler, Reply, Route } from "./backend.ts";
import type { Core } from "./core.ts";
import { renewToken } from "./renew.ts";
import { createToken } from "./token-create.ts";
import type { TokenRoles } from "./token-role.ts";
import { describeToken } from "./token.ts";
import type { Token } from "./token.ts";

export function tokenBackend(core: Core, roles: TokenRoles): Backend {
  return {
    rootPaths: ["revoke-orphan/*", "accessors*"],
    routes: [
      ...creation(core, roles),
      ...lookups(core),
      ...renewals(core),
      ...revocations(core),
      ...roles.routes(),
    ],
  };
}

function creation(core: Core, roles: TokenRoles): Route[] {
  return [
    {
      pattern: pattern("accessors/"),
      operations: {
        list: () => ({ data: { keys: core.tokens.accessors() } }),
      },
    },
    {
      pattern: pattern("create-orphan"),
      operations: {
        update: (call) => createToken(core, call, true, undefined),
      },
    },
    {
      pattern: pattern(`create/${nameGroup("role_name")}`),
      operations: {
        update: (call) => {
          const name = call.fields.string("role_name");
          const role = roles.get(name);
          if (role === undefined) throw refuse(`unknown role ${name}`);
          return createToken(core, call, false, role);
        },
      },
    },
    {
      pattern: pattern("create"),
      operations: {
        update: (call) => createToken(core, call, false, undefined),
      },
    },
    {
      pattern: pattern("tidy"),
      operations: {
        update: () => ({
          status: 202,
          warnings: [
            "Tidy operation successfully started. Any information from the operation will be printed to Vault's server logs.",
          ],
        }),
      },
    },
  ];
}

function lookups(core: Core): Route[] {
  const lookup = (id: string, withId: boolean): Reply => {
    const token = core.tokens.find(id, true);
    if (token === undefined) throw refuse("bad token", 403);
    return { data: describeToken(token, core.now(), withId) };
  };
  const lookupOther: Handler = (call) =>
    lookup(call.fields.string("token") || call.request.token, true);
  const lookupSelf: Handler = (call) => lookup(call.request.token, true);
  return [
    {
      pattern: pattern("lookup"),
      fields: { token: "string" },
      operations: { read: lookupOther, update: lookupOther },
    },
    {
      pattern: pattern("lookup-accessor"),
      fields: { accessor: "string" },
      operations: {
        update: (call) => lookup(byAccessor(core, call).id, false),
      },
    },
    {
      pattern: pattern("lookup-self"),
      operations: { read: lookupSelf, update: lookupSelf },
    },
  ];
}

/** The token that an accessor names; Vault shows both faults in a list. */
function byAccessor(core: Core, call: Call): Token {
  const accessor = call.fields.string("accessor");
  if (accessor === "") throw failed("missing accessor", 400);
  const token = core.tokens.byAccessor(accessor);
  if (token === undefined) throw failed("invalid accessor", 400);
  return token;
}

function renewals(core: Core): Route[] {
  const increment = { increment: "signed duration" } as const;
  const renew = (
    id: string,
    call: Call,
    hideToken: boolean,
  ): Reply | undefined => {
    if (id === "") throw refuse("missing token ID");
    const token = core.tokens.find(id);
    if (token === undefined) throw refuse("token not found");
    if (token.type === "batch") throw refuse("batch tokens cannot be renewed");
    const reply = renewToken(core, token, call.fields.duration("increment"));
    if (reply === undefined && hideToken)
      throw failed("failed to lookup the token");
    if (reply?.auth === undefined || !hideToken) return reply;
    return { ...reply, auth: { ...reply.auth, hideToken } };
  };
  return [
    {
      pattern: pattern("renew-accessor"),
      fields: { ...increment, accessor: "string" },
      operations: {
        update: (call) => renew(byAccessor(core, call).id, call, true),
      },
    },
    {
      pattern: pattern("renew-self"),
      fields: increment,
      operations: {
        update: (call) => renew(call.request.token, call, false),
      },
    },
    {
      pattern: pattern("renew"),
      fields: { ...increment, token: "string" },
      operations: {
        update: (call) => renew(call.fields.string("token"), call, false),
      },
    },
  ];
}

function revocations(core: Core): Route[] {
  const revoke = (id: string): undefined => {
    const token = core.tokens.find(id);
    if (token === undefined) return undefined;
    if (token.type === "batch") throw refuse("batch tokens cannot be revoked");
    core.tokens.revokeTree(token);
    return undefined;
  };
  return [
    {
      pattern: pattern("revoke-accessor"),
      fields: { accessor: "string" },
      operations: {
        update: (call) => {
          const token = byAccessor(core, call);
          if (token.numUses < 0) throw refuse("token not found");
          return revoke(token.id);
        },
      },
    },
    {
      pattern: pattern("revoke-self"),
      operations: { update: (call) => revoke(call.request.token) },
    },
    {
      pattern: pattern("revoke"),
      fields: { token: "string" },
      operations: {
        update: (call) => {
          const id = call.fields.string("token");
          if (id === "") throw refuse("missing token ID");
          return revoke(id);
        },
      },
    },
    {
      pattern: pattern("revoke-orphan"),
      fields: { token: "string" },
      operations: { update: (call) => revokeOrphan(core, call) },
    },
  ];
}

function revokeOrphan(core: Core, call: Call): undefined {
  const id = call.fields.string("token");
  if (id === "") throw refuse("missing token ID");
  const caller = core.tokens.find(call.request.token, true);
  if (caller === undefined) throw refuse(permissionDenied, 403);
  if (!core.acl(caller).hasSudo(call.request.path))
    throw refuse("root or sudo privileges required to revoke and orphan");
  const token = core.tokens.find(id);
  if (token === undefined) throw refuse("token to revoke not found");
  if (token.type === "batch") throw refuse("batch tokens cannot be revoked");
  core.tokens.revokeOrphan(token);
  return undefined;
}
