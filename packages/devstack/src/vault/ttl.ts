// Vault's stand-in, how long a token may live: Vault's one calculation over what was asked, what the role, the mount
// and the system allow, and how old the token is already. All durations are milliseconds, 0 for "not set".

import { failed } from "./fault.ts";
import { humanDuration } from "./duration.ts";
import { quote } from "./json.ts";

/** Vault's default for both the lease and its maximum: 32 days. */
export const systemLease = 768 * 3_600_000;

export interface TtlAsked {
  readonly now: number;
  readonly defaultTtl: number;
  readonly systemMax: number;
  readonly increment: number;
  readonly backendTtl: number;
  readonly period: number;
  readonly backendMax: number;
  readonly explicitMax: number;
  /** When the token was issued; undefined for now. */
  readonly start: number | undefined;
}

/** The TTL that Vault grants, with the warnings that it attaches; refuses a token that is past its maximum. */
export function grantTtl(asked: TtlAsked): { ttl: number; warnings: string[] } {
  const warnings: string[] = [];
  const now = Math.floor(asked.now / 1000) * 1000;
  const start =
    asked.start === undefined ? now : Math.floor(asked.start / 1000) * 1000;
  let max = asked.systemMax;
  if (asked.backendMax > 0) max = Math.min(max, asked.backendMax);
  if (asked.explicitMax > 0) max = Math.min(max, asked.explicitMax);

  let ttl: number;
  let last: number | undefined;
  if (asked.period > 0) {
    ttl = asked.period;
    if (ttl > max) {
      warnings.push(
        `period of ${quote(humanDuration(ttl))} exceeded the effective max_ttl of ${quote(humanDuration(max))}; period value is capped accordingly`,
      );
      ttl = max;
    }
    if (asked.explicitMax > 0) last = start + asked.explicitMax;
  } else {
    ttl = asked.increment || asked.backendTtl || asked.defaultTtl;
    last = start + max;
  }
  if (last !== undefined) {
    const left = last - now;
    if (left <= 0) throw failed("past the max TTL, cannot renew");
    if (left < ttl) {
      warnings.push(
        `TTL of ${quote(humanDuration(ttl))} exceeded the effective max_ttl of ${quote(humanDuration(left))}; TTL value is capped accordingly`,
      );
      ttl = left;
    }
  }
  return { ttl, warnings };
}
