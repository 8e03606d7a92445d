// Vault's stand-in, the releases of Vault between which AppRole changed for those who hand out SecretIDs. The rest of
// the stand-in is Vault 1.8 whichever of them it is told to be: there nothing changed that its users look at.

/**
 * The first release that answers like this; each one also does what those before it do.
 * - 1.8: what the recorded conversation has. `num_uses` and `ttl` of a request are ignored without a word.
 * - 1.9: the lookup of an unknown accessor is 404 instead of 500 (hashicorp/vault#12788), and a wrapped SecretID's
 *   `wrap_info` names its accessor as `wrapped_accessor` (hashicorp/vault#12425).
 * - 1.12: `num_uses` and `ttl` can be asked for, and the answer has `secret_id_num_uses` (hashicorp/vault#14474).
 * - 1.13: an accessor destroys at its own role only (CVE-2023-24999; hashicorp/vault#19186, also in 1.10.11, 1.11.8
 *   and 1.12.4).
 * - 1.16: a refused login doesn't say which half was wrong (hashicorp/vault#23786, also in later 1.13, 1.14 and 1.15).
 *   OpenBao, of every version, is like this.
 */
export const approleReleases = ["1.8", "1.9", "1.12", "1.13", "1.16"] as const;
export type AppRoleRelease = (typeof approleReleases)[number];

/** What an AppRole mount does or doesn't. */
export interface AppRoleTraits {
  /** An unknown accessor is looked up with 404, without an `errors` list in the body. */
  readonly notFound: boolean;
  /** Wrapping a SecretID names its accessor. */
  readonly wrappedAccessor: boolean;
  /** A request for a SecretID can limit it further than the role does. */
  readonly ownLimits: boolean;
  /** Another role's accessor is refused by destroy. */
  readonly ownAccessors: boolean;
  /** One text for every wrong pair of RoleID and SecretID. */
  readonly oneText: boolean;
}

export function approleTraits(release: AppRoleRelease): AppRoleTraits {
  const age = approleReleases.indexOf(release);
  const since = (first: AppRoleRelease): boolean =>
    age >= approleReleases.indexOf(first);
  return {
    notFound: since("1.9"),
    wrappedAccessor: since("1.9"),
    ownLimits: since("1.12"),
    ownAccessors: since("1.13"),
    oneText: since("1.16"),
  };
}
