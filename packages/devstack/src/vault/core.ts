// Vault's stand-in, the way of a request from token to answer: who asks, may he, does it cost a use, what does the
// mount say, is the answer to be wrapped. Read this first; everything else is called from here.

import { createHash } from "node:crypto";
import type { Acl } from "./acl.ts";
import type { AppRoleTraits } from "./approle-release.ts";
import { covers, dispatch, existence } from "./backend.ts";
import type { Outside, Reply, VaultRequest } from "./backend.ts";
import { anyHolds } from "./cidr.ts";
import { listed, permissionDenied, Refusal, refuse } from "./fault.ts";
import type { JsonObject } from "./json.ts";
import { coveredByGlob } from "./lists.ts";
import { LeaseStore } from "./leases.ts";
import { finishLogin } from "./login.ts";
import { MountTable } from "./mounts.ts";
import type { Mount } from "./mounts.ts";
import { PolicyStore } from "./policies.ts";
import { TokenRoles } from "./token-role.ts";
import { TokenStore } from "./token.ts";
import type { Token } from "./token.ts";
import { systemLease } from "./ttl.ts";
import { checkWrappingToken, wrap } from "./wrapping.ts";
import type { WrapInfo } from "./wrapping.ts";

/** What became of a request, before it is written as HTTP. */
export interface Outcome {
  readonly reply: Reply | undefined;
  readonly wrapInfo?: WrapInfo;
}

export class Core {
  readonly now: () => number;
  readonly tokens: TokenStore;
  readonly leases: LeaseStore;
  readonly policies = new PolicyStore();
  readonly mounts = new MountTable();
  readonly roles = new TokenRoles();
  readonly approle: AppRoleTraits;

  constructor(now: () => number, approle: AppRoleTraits) {
    this.now = now;
    this.approle = approle;
    this.leases = new LeaseStore(now, (path) => ({
      defaultTtl: this.defaultTtl(path),
      maxTtl: this.maxTtl(path),
    }));
    this.tokens = new TokenStore(now, (id) => this.leases.endOf(id));
  }

  acl(token: Token): Acl {
    return this.policies.acl(token.policies);
  }

  /** Milliseconds that a lease below the path lasts when nothing else is said. */
  defaultTtl(path: string): number {
    return this.mounts.match(path)?.config.defaultTtl || systemLease;
  }

  /** The longest that a lease below the path may last, in milliseconds. */
  maxTtl(path: string): number {
    return this.mounts.match(path)?.config.maxTtl || systemLease;
  }

  /** The identity behind a name at an auth method: the same for the same name, in the shape of an identifier. */
  entityFor(mount: Mount, alias: string): string {
    const hash = createHash("sha256")
      .update(`${mount.accessor}\n${alias}`)
      .digest("hex");
    return [
      hash.slice(0, 8),
      hash.slice(8, 12),
      hash.slice(12, 16),
      hash.slice(16, 20),
      hash.slice(20, 32),
    ].join("-");
  }

  aliasAllowed(patterns: readonly string[], alias: string): boolean {
    return patterns.includes(alias) || coveredByGlob(patterns, alias);
  }

  /** How the path's mount asks another server before the request is served; undefined for nearly every path. */
  asker(
    path: string,
  ): ((data: JsonObject) => Promise<Outside | undefined>) | undefined {
    const mount = this.mounts.match(path);
    const { outside } = mount?.backend ?? {};
    return mount === undefined || outside === undefined
      ? undefined
      : (data) => outside(within(mount, path), data);
  }

  /** Serves one request; throws a Refusal for everything that ends with an error body. */
  handle(request: VaultRequest): Outcome {
    if (
      [
        "sys/wrapping/lookup",
        "sys/wrapping/unwrap",
        "sys/wrapping/rewrap",
      ].includes(request.path)
    )
      checkWrappingToken(this, request);
    if (request.path.endsWith("/") && request.operation === "update")
      throw refuse("cannot write to a path ending in '/'");
    const mount = this.mounts.match(request.path);
    const open =
      mount !== undefined &&
      covers(mount.backend.openPaths ?? [], within(mount, request.path));
    const reply = open
      ? this.#handleOpen(mount, request)
      : this.#handleGuarded(mount, request);
    const ttl = wrapTtl(request, reply);
    if (reply === undefined || ttl === 0) return { reply };
    return { reply: undefined, wrapInfo: wrap(this, request, reply, ttl) };
  }

  /** A path that needs no token: a login, or a question that anyone may ask. */
  #handleOpen(mount: Mount, request: VaultRequest): Reply | undefined {
    this.#nameOperation(mount, request);
    try {
      const reply = dispatch(mount, request, within(mount, request.path));
      return reply?.login === undefined
        ? reply
        : finishLogin(this, mount, request, reply);
    } catch (error) {
      // Only behind a token does Vault gather errors into a list.
      if (error instanceof Refusal && error.listed)
        throw refuse(error.message, error.status);
      throw error;
    }
  }

  #handleGuarded(
    mount: Mount | undefined,
    request: VaultRequest,
  ): Reply | undefined {
    const token = this.authenticate(request);
    try {
      try {
        this.#authorise(mount, request, token);
      } finally {
        // A refused request costs a use as well.
        this.tokens.use(token);
      }
      return this.#route(mount, request, token);
    } catch (error) {
      if (error instanceof Refusal && error.listed)
        throw refuse(listed(error.message), error.status);
      throw error;
    } finally {
      if (token.numUses < 0) this.tokens.revokeTree(token);
    }
  }

  /** The caller's token, bound to his address when it is; refuses unknown and dead ones alike. */
  authenticate(request: VaultRequest): Token {
    if (request.token === "") throw refuse("missing client token");
    const token = this.tokens.find(request.token);
    if (token === undefined) throw refuse(permissionDenied, 403);
    if (
      token.ttl !== 0 &&
      token.boundCidrs.length > 0 &&
      !anyHolds(token.boundCidrs, request.remoteAddress)
    )
      throw refuse(permissionDenied, 403);
    return token;
  }

  #authorise(
    mount: Mount | undefined,
    request: VaultRequest,
    token: Token,
  ): void {
    this.#nameOperation(mount, request);
    const { allowed, sudo } = this.acl(token).judge(request);
    const rootPath =
      mount !== undefined &&
      covers(mount.backend.rootPaths ?? [], within(mount, request.path));
    if (!allowed || (rootPath && !sudo))
      throw refuse(listed(permissionDenied), 403);
  }

  /** A write is a create where the mount can tell that nothing is there yet, else an update. */
  #nameOperation(mount: Mount | undefined, request: VaultRequest): void {
    if (request.operation !== "update" || mount === undefined) return;
    const exists = existence(mount, request, within(mount, request.path));
    if (exists === false) request.operation = "create";
  }

  #route(
    mount: Mount | undefined,
    request: VaultRequest,
    token: Token,
  ): Reply | undefined {
    if (mount === undefined)
      throw refuse(`no handler for route '${request.path}'`, 404);
    if (mount.type === "cubbyhole" && token.type === "batch")
      throw refuse(
        'cubbyhole operations are only supported by "service" type tokens',
      );
    const reply = this.#lease(
      request,
      token,
      dispatch(mount, request, within(mount, request.path)),
    );
    if (
      reply !== undefined &&
      request.path === "cubbyhole/response" &&
      token.policies.includes("response-wrapping")
    )
      reply.warnings = [
        ...(reply.warnings ?? []),
        "Reading from 'cubbyhole/response' is deprecated. Please use sys/wrapping/unwrap to unwrap responses, as it provides additional security checks and other benefits.",
      ];
    return reply;
  }

  /** Leases to the caller what an engine has made for him. */
  #lease(
    { path }: VaultRequest,
    token: Token,
    reply: Reply | undefined,
  ): Reply | undefined {
    if (reply?.secret === undefined) return reply;
    const { lease, warnings } = this.leases.create(
      path,
      token.id,
      reply.secret,
    );
    return {
      ...reply,
      leased: lease,
      warnings: [...(reply.warnings ?? []), ...warnings],
    };
  }
}

/** The path inside the mount. */
function within(mount: Mount, path: string): string {
  return path.slice(mount.route.length);
}

/** The shorter of what the request asks for and what the answer brings along, 0 for no wrapping. */
function wrapTtl(request: VaultRequest, reply: Reply | undefined): number {
  const asked = request.wrapTtl ?? 0;
  const brought = reply?.rewrap?.ttl ?? 0;
  if (asked === 0 || brought === 0) return asked + brought;
  return Math.min(asked, brought);
}
