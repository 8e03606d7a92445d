// Vault's stand-in, the leases of what engines make on request: each hangs on the token that asked for it and dies with
// it, with its own time or by revocation. Expiry is noticed by whoever comes next, as with tokens.

import { refuse } from "./fault.ts";
import type { Json, JsonObject } from "./json.ts";
import { base62 } from "./random.ts";
import { grantTtl } from "./ttl.ts";

/** What an engine says of the lease that its answer is to have. Milliseconds, 0 for the mount's. */
export interface LeaseTerms {
  readonly ttl: number;
  readonly maxTtl: number;
  readonly renewable: boolean;
}

/** A lease that lives. Times in milliseconds. */
export interface Lease {
  readonly id: string;
  /** The token it hangs on. */
  readonly token: string;
  readonly terms: LeaseTerms;
  readonly issued: number;
  ttl: number;
  expires: number;
  renewed: number | undefined;
}

/** What the mount of a path allows, in milliseconds. */
type Limits = (path: string) => { defaultTtl: number; maxTtl: number };

export class LeaseStore {
  readonly #now: () => number;
  readonly #limits: Limits;
  readonly #leases = new Map<string, Lease>();

  constructor(now: () => number, limits: Limits) {
    this.#now = now;
    this.#limits = limits;
  }

  /** Leases what was made at a path for a token. */
  create(
    path: string,
    token: string,
    terms: LeaseTerms,
  ): { lease: Lease; warnings: string[] } {
    const now = this.#now();
    const { ttl, warnings } = this.#grant(path, terms, 0, undefined);
    const lease: Lease = {
      id: `${path}/${base62(24)}`,
      token,
      terms,
      issued: now,
      ttl,
      expires: now + ttl,
      renewed: undefined,
    };
    this.#leases.set(lease.id, lease);
    return { lease, warnings };
  }

  find(id: string): Lease | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined || lease.expires > this.#now()) return lease;
    this.#leases.delete(id);
    return undefined;
  }

  /** Renews for `increment` milliseconds, 0 for as long as its engine says. */
  renew(id: string, increment: number): { lease: Lease; warnings: string[] } {
    const lease = this.find(id);
    if (lease === undefined) throw refuse("lease not found");
    if (!lease.terms.renewable) throw refuse("lease is not renewable");
    const { ttl, warnings } = this.#grant(
      id,
      lease.terms,
      increment,
      lease.issued,
    );
    const now = this.#now();
    Object.assign(lease, { ttl, expires: now + ttl, renewed: now });
    return { lease, warnings };
  }

  revoke(id: string): void {
    this.#leases.delete(id);
  }

  /** Ends every lease that hangs on a token. */
  endOf(token: string): void {
    for (const lease of this.#leases.values())
      if (lease.token === token) this.#leases.delete(lease.id);
  }

  /** Ends every lease below a prefix. */
  endBelow(prefix: string): void {
    for (const id of this.#leases.keys())
      if (id.startsWith(prefix)) this.#leases.delete(id);
  }

  /** Names directly below a prefix, in order; what has more below it ends in "/". */
  list(prefix: string): string[] {
    const names = [...this.#leases.keys()]
      .filter((id) => id.startsWith(prefix) && this.find(id) !== undefined)
      .map((id) => id.slice(prefix.length).replace(/\/.*$/, "/"));
    return [...new Set(names)].toSorted();
  }

  #grant(
    path: string,
    terms: LeaseTerms,
    increment: number,
    start: number | undefined,
  ): { ttl: number; warnings: string[] } {
    const { defaultTtl, maxTtl } = this.#limits(path);
    return grantTtl({
      now: this.#now(),
      defaultTtl,
      systemMax: maxTtl,
      increment,
      backendTtl: terms.ttl,
      period: 0,
      backendMax: terms.maxTtl,
      explicitMax: 0,
      start,
    });
  }
}

/** What a lookup tells of a lease. */
export function describeLease(lease: Lease, now: number): JsonObject {
  const time = (at: number | undefined): Json =>
    at === undefined ? null : new Date(at).toISOString();
  return {
    id: lease.id,
    issue_time: time(lease.issued),
    expire_time: time(lease.expires),
    last_renewal: time(lease.renewed),
    renewable: lease.terms.renewable,
    ttl: Math.trunc((lease.expires - now) / 1000),
  };
}
