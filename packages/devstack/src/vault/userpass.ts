// Vault's stand-in, the auth method userpass: users with a password, and the login that turns one into a token.

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { listReply, nameGroup, pattern } from "./backend.ts";
import type { Backend, Call, Handler, Reply, Route } from "./backend.ts";
import { anyHolds } from "./cidr.ts";
import { wholeSeconds } from "./duration.ts";
import { failed, permissionDenied, refuse } from "./fault.ts";
import type { Fields, Schema } from "./fields.ts";
import { tidyPolicies } from "./lists.ts";
import { Storage } from "./storage.ts";
import {
  blocksOf,
  describeTokenParams,
  loginFrom,
  newTokenParams,
  tokenFields,
  writeTokenParams,
} from "./token-params.ts";
import type { TokenParams } from "./token-params.ts";

interface User {
  readonly params: TokenParams;
  hash: Buffer;
  /** Which of the old field names the user was written with, shown again on reading. */
  readonly old: Set<string>;
}

const userFields: Schema = {
  ...tokenFields,
  password: "string",
  policies: "comma list",
  ttl: "duration",
  max_ttl: "duration",
  bound_cidrs: "comma list",
};

export function userpassBackend(): Backend {
  const users = new Storage<User>();
  const key = randomBytes(32);
  const hashOf = (password: string): Buffer =>
    createHmac("sha256", key).update(password).digest();
  return {
    openPaths: ["login/*"],
    routes: [
      {
        pattern: pattern("users/?"),
        operations: { list: () => listReply(users.list("")) },
      },
      passwordRoute(users, hashOf),
      policiesRoute(users),
      userRoute(users, hashOf),
      {
        pattern: pattern(`login/${nameGroup("username")}`),
        fields: { password: "string" },
        operations: { update: (call) => login(users, hashOf, call) },
      },
    ],
    renew: (token) => {
      const user = users.get(token.meta?.["username"] ?? "");
      if (user === undefined) return undefined;
      const now = tidyPolicies(user.params.policies, true).join();
      if (now !== tidyPolicies(token.policies, true).join())
        throw failed(
          "failed to renew entry: policies have changed, not renewing",
        );
      return user.params;
    },
  };
}

function nameOf(call: Call): string {
  return call.fields.string("username").toLowerCase();
}

function userRoute(
  users: Storage<User>,
  hashOf: (password: string) => Buffer,
): Route {
  const write: Handler = (call) => {
    const { fields } = call;
    const password = fields.string("password");
    if (call.operation === "create" && password === "")
      throw refuse("missing password");
    const before = users.get(nameOf(call));
    const user: User = {
      params: { ...(before?.params ?? newTokenParams()) },
      hash: before?.hash ?? Buffer.alloc(32),
      old: new Set(before?.old),
    };
    try {
      writeTokenParams(user.params, fields);
      writeOldNames(user, fields);
    } catch (error) {
      throw refuse(error instanceof Error ? error.message : "");
    }
    if (fields.has("password")) {
      if (password === "") throw refuse("missing password");
      user.hash = hashOf(password);
    }
    users.set(nameOf(call), user);
    return undefined;
  };
  return {
    pattern: pattern(`users/${nameGroup("username")}`),
    fields: userFields,
    exists: (call) => users.get(nameOf(call)) !== undefined,
    operations: {
      create: write,
      update: write,
      read: (call) => describe(users.get(nameOf(call))),
      delete: (call) => {
        users.delete(nameOf(call));
        return undefined;
      },
    },
  };
}

function describe(user: User | undefined): Reply | undefined {
  if (user === undefined) return undefined;
  const { params, old } = user;
  return {
    data: {
      ...describeTokenParams(params),
      ...(old.has("ttl") &&
        params.ttl > 0 && { ttl: wholeSeconds(params.ttl) }),
      ...(old.has("max_ttl") &&
        params.maxTtl > 0 && { max_ttl: wholeSeconds(params.maxTtl) }),
      ...(old.has("policies") && { policies: [...params.policies] }),
      ...(old.has("bound_cidrs") && { bound_cidrs: [...params.boundCidrs] }),
    },
  };
}

/** The names from before Vault 1.2, which the token_ names overrule. */
function writeOldNames({ params, old }: User, given: Fields): void {
  const writers: Record<string, () => void> = {
    policies: () => {
      params.policies = tidyPolicies(given.list("policies"), false);
    },
    ttl: () => {
      params.ttl = given.duration("ttl");
    },
    max_ttl: () => {
      params.maxTtl = given.duration("max_ttl");
    },
    bound_cidrs: () => {
      params.boundCidrs = blocksOf(given.list("bound_cidrs"));
    },
  };
  for (const [name, write] of Object.entries(writers)) {
    if (given.has(`token_${name}`)) {
      old.delete(name);
      if (given.has(name)) old.add(name);
    } else if (given.has(name)) {
      write();
      old.add(name);
    }
  }
}

function passwordRoute(
  users: Storage<User>,
  hashOf: (password: string) => Buffer,
): Route {
  return {
    pattern: pattern(`users/${nameGroup("username")}/password`),
    fields: { password: "string" },
    operations: {
      update: (call) => {
        const user = users.get(nameOf(call));
        if (user === undefined) throw failed("username does not exist");
        const password = call.fields.string("password");
        if (password === "") throw refuse("missing password");
        user.hash = hashOf(password);
        return undefined;
      },
    },
  };
}

function policiesRoute(users: Storage<User>): Route {
  return {
    pattern: pattern(`users/${nameGroup("username")}/policies`),
    fields: { policies: "comma list", token_policies: "comma list" },
    operations: {
      update: (call) => {
        const user = users.get(nameOf(call));
        if (user === undefined) throw failed("username does not exist");
        if (call.fields.has("token_policies"))
          user.params.policies = call.fields.list("token_policies");
        else if (call.fields.has("policies")) {
          user.params.policies = tidyPolicies(
            call.fields.list("policies"),
            false,
          );
          user.old.add("policies");
        }
        return undefined;
      },
    },
  };
}

function login(
  users: Storage<User>,
  hashOf: (password: string) => Buffer,
  call: Call,
): Reply {
  const username = nameOf(call);
  const password = call.fields.string("password");
  if (password === "") throw failed("missing password");
  const user = users.get(username);
  if (user === undefined || !timingSafeEqual(user.hash, hashOf(password)))
    throw refuse("invalid username or password");
  const { boundCidrs } = user.params;
  if (
    boundCidrs.length > 0 &&
    !anyHolds(boundCidrs, call.request.remoteAddress)
  )
    throw refuse(permissionDenied, 403);
  return {
    login: {
      ...loginFrom(user.params),
      displayName: username,
      alias: username,
      metadata: { username },
    },
  };
}
