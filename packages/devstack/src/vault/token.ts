// Vault's stand-in, the tokens that live: by name, by accessor, with their children, uses and expiry. A token dies
// with its parent, with its last use and with its lease; expiry is noticed by whoever comes next, so no timer runs.

import { refuse } from "./fault.ts";
import type { Json, JsonObject } from "./json.ts";
import { accessorId, batchTokenId, serviceTokenId } from "./random.ts";
import { Storage } from "./storage.ts";

/** What is to become a token. Times and durations in milliseconds, 0 for none. */
export interface NewToken {
  /** The name asked for; undefined for a random one. */
  readonly id?: string;
  /** The parent's name, "" for an orphan. */
  readonly parent: string;
  readonly policies: readonly string[];
  /** The request path that made it. */
  readonly path: string;
  readonly meta: Record<string, string> | null;
  readonly displayName: string;
  readonly numUses: number;
  readonly ttl: number;
  readonly explicitMaxTtl: number;
  readonly period: number;
  readonly type: "service" | "batch";
  readonly entityId: string;
  readonly role: string;
  readonly boundCidrs: readonly string[];
  readonly renewable: boolean;
  /** The TTL, period and explicit maximum that renewal starts from, which a role may have changed. */
  readonly lease: { ttl: number; period: number; explicitMaxTtl: number };
}

export interface Token extends NewToken {
  readonly id: string;
  readonly accessor: string;
  parent: string;
  /** Uses that are left, 0 for no limit, -1 while the last one runs. */
  numUses: number;
  readonly issued: number;
  /** When it dies, undefined for never. */
  expires: number | undefined;
  renewed: number | undefined;
  readonly cubbyhole: Storage<JsonObject>;
}

export class TokenStore {
  readonly #now: () => number;
  /** Told of every token that ends. */
  readonly #ended: (id: string) => void;
  readonly #tokens = new Map<string, Token>();
  readonly #accessors = new Map<string, string>();
  readonly #children = new Map<string, Set<string>>();
  /** No token dies before this time, so that most requests needn't look. */
  #nextExpiry = Number.POSITIVE_INFINITY;

  constructor(
    now: () => number,
    ended: (id: string) => void = () => undefined,
  ) {
    this.#now = now;
    this.#ended = ended;
  }

  create(wanted: NewToken): Token {
    const now = this.#now();
    const batch = wanted.type === "batch";
    const id = batch ? batchTokenId() : (wanted.id ?? serviceTokenId());
    const token: Token = {
      ...wanted,
      id,
      accessor: batch ? "" : accessorId(),
      issued: now,
      // Vault counts a batch token's life from the second it was made in.
      expires:
        wanted.ttl === 0
          ? undefined
          : (batch ? Math.floor(now / 1000) * 1000 : now) + wanted.ttl,
      renewed: undefined,
      cubbyhole: new Storage<JsonObject>(),
    };
    this.#tokens.set(id, token);
    if (!batch) this.#accessors.set(token.accessor, id);
    if (token.parent !== "") {
      const siblings = this.#children.get(token.parent) ?? new Set<string>();
      this.#children.set(token.parent, siblings.add(id));
    }
    this.#expectExpiry(token);
    return token;
  }

  /** A live token. With `tainted` one that is in its last use is found as well. */
  find(id: string, tainted = false): Token | undefined {
    this.#sweep();
    const token = this.#tokens.get(id);
    if (token === undefined) return undefined;
    return token.numUses < 0 && !tainted ? undefined : token;
  }

  byAccessor(accessor: string): Token | undefined {
    this.#sweep();
    const id = this.#accessors.get(accessor);
    return id === undefined ? undefined : this.#tokens.get(id);
  }

  accessors(): string[] {
    this.#sweep();
    return [...this.#accessors.keys()];
  }

  /** Takes one use; the last one leaves the token to be revoked by whoever serves it. */
  use(token: Token): void {
    if (token.numUses === 0) return;
    token.numUses = token.numUses === 1 ? -1 : token.numUses - 1;
  }

  renew(token: Token, ttl: number): void {
    const now = this.#now();
    token.lease.ttl = ttl;
    token.expires = now + ttl;
    token.renewed = now;
    this.#expectExpiry(token);
  }

  /** Ends a token and all that descends from it. */
  revokeTree(token: Token): void {
    const doomed = [token.id];
    for (let id = doomed.pop(); id !== undefined; id = doomed.pop()) {
      doomed.push(...(this.#children.get(id) ?? []));
      this.#children.delete(id);
      this.#forget(id);
    }
  }

  /** Ends a token and lets its children live on without a parent. */
  revokeOrphan(token: Token): void {
    for (const id of this.#children.get(token.id) ?? []) {
      const child = this.#tokens.get(id);
      if (child !== undefined) child.parent = "";
    }
    this.#children.delete(token.id);
    this.#forget(token.id);
  }

  /** Ends every token made by a path at or below the prefix, which ends in "/". */
  revokePrefix(prefix: string): void {
    for (const token of this.#tokens.values())
      if (`${token.path}/`.startsWith(prefix)) this.revokeTree(token);
  }

  #forget(id: string): void {
    const token = this.#tokens.get(id);
    if (token === undefined) return;
    this.#tokens.delete(id);
    this.#ended(id);
    this.#accessors.delete(token.accessor);
    this.#children.get(token.parent)?.delete(id);
  }

  #expectExpiry({ expires }: Token): void {
    if (expires !== undefined)
      this.#nextExpiry = Math.min(this.#nextExpiry, expires);
  }

  #sweep(): void {
    const now = this.#now();
    if (now < this.#nextExpiry) return;
    for (const token of this.#tokens.values())
      if (token.expires !== undefined && token.expires <= now)
        this.revokeTree(token);
    this.#nextExpiry = Number.POSITIVE_INFINITY;
    for (const token of this.#tokens.values()) this.#expectExpiry(token);
  }
}

/** Refuses the names that Vault lets nobody pick for a token. */
export function checkChosenId(id: string, store: TokenStore): void {
  if (id.startsWith("s."))
    throw refuse("custom token ID cannot have the 's.' prefix");
  if (id.includes("."))
    throw refuse("custom token ID cannot have a '.' in the value");
  if (store.find(id, true) !== undefined)
    throw refuse("cannot create a token with a duplicate ID");
}

/** What a lookup tells of a token. `withId` is false where the answer must not give the token away. */
export function describeToken(
  token: Token,
  now: number,
  withId: boolean,
): JsonObject {
  const data: Record<string, Json> = {
    id: withId ? token.id : "",
    accessor: token.accessor,
    policies: [...token.policies],
    path: token.path,
    meta: token.meta,
    display_name: token.displayName,
    num_uses: token.numUses,
    orphan: token.parent === "",
    creation_time: Math.floor(token.issued / 1000),
    creation_ttl: Math.trunc(token.ttl / 1000),
    expire_time: null,
    ttl: 0,
    explicit_max_ttl: Math.trunc(token.explicitMaxTtl / 1000),
    entity_id: token.entityId,
    type: token.type,
    renewable: token.renewable && token.expires !== undefined,
    issue_time: new Date(token.issued).toISOString(),
  };
  if (token.role !== "") data["role"] = token.role;
  if (token.period !== 0) data["period"] = Math.trunc(token.period / 1000);
  if (token.boundCidrs.length > 0) data["bound_cidrs"] = [...token.boundCidrs];
  if (token.renewed !== undefined) {
    data["last_renewal"] = new Date(token.renewed).toISOString();
    data["last_renewal_time"] = Math.floor(token.renewed / 1000);
  }
  if (token.expires !== undefined) {
    data["expire_time"] = new Date(token.expires).toISOString();
    // Vault rounds the present to a second here and cuts off what is left.
    const present = Math.round(now / 1000) * 1000;
    data["ttl"] = Math.trunc((token.expires - present) / 1000);
  }
  return data;
}
