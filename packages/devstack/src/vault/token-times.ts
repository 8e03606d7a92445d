// Vault's stand-in, how long a new token lives: what the request says against what its role says. The lesser of two
// limits holds, and Vault warns when both were given.

import type { Core } from "./core.ts";
import { parseSeconds, wholeSeconds } from "./duration.ts";
import { failed, refuse } from "./fault.ts";
import type { CreateAsked } from "./token-create.ts";
import type { TokenRole } from "./token-role.ts";
import { grantTtl } from "./ttl.ts";

export interface Times {
  readonly ttl: number;
  /** What the request itself said, which a lookup shows. */
  readonly ownMax: number;
  readonly ownPeriod: number;
  /** What holds once the role has had its say. */
  readonly max: number;
  readonly period: number;
  readonly warnings: readonly string[];
}

export function chooseTimes(
  core: Core,
  asked: CreateAsked,
  role: TokenRole | undefined,
  type: "service" | "batch",
  sudo: boolean,
  policies: readonly string[],
): Times {
  const ownMax = seconds(asked.explicitMaxTtl);
  if (ownMax < 0) throw refuse("explicit_max_ttl must be positive");
  const ownPeriod = seconds(asked.period);
  if (ownPeriod < 0) throw refuse("period must be positive");
  if (ownPeriod > 0 && !sudo)
    throw refuse("root or sudo privileges required to create periodic token");
  const wanted = seconds(asked.ttl === "" ? asked.lease : asked.ttl);
  if (wanted < 0)
    throw refuse(`${asked.ttl === "" ? "lease" : "ttl"} must be positive`);
  const warnings: string[] = [];
  const byRole = type === "batch" ? undefined : role;
  const max = lesser(
    ownMax,
    byRole?.explicitMaxTtl ?? 0,
    "Explicit max TTL",
    warnings,
  );
  const period = lesser(ownPeriod, byRole?.period ?? 0, "Period", warnings);
  let ttl = wanted;
  if (period > 0 || ttl > 0 || !policies.includes("root")) {
    const granted = grantTtl({
      now: core.now(),
      defaultTtl: core.defaultTtl("auth/token/"),
      systemMax: core.maxTtl("auth/token/"),
      increment: 0,
      backendTtl: ttl,
      period,
      backendMax: 0,
      explicitMax: max,
      start: core.now(),
    });
    ttl = granted.ttl;
    warnings.push(...granted.warnings);
  }
  if (ttl === 0 && max > 0) ttl = max;
  return { ttl, ownMax, ownPeriod, max, period, warnings };
}

function lesser(
  own: number,
  role: number,
  what: string,
  warnings: string[],
): number {
  if (role === 0 || own === 0) return own + role;
  const least = Math.min(own, role);
  warnings.push(
    `${what} specified both during creation call and in role; using the lesser value of ${wholeSeconds(least)} seconds`,
  );
  return least;
}

export function seconds(text: string, fault?: string): number {
  try {
    return parseSeconds(text);
  } catch (error) {
    if (fault !== undefined) throw refuse(fault);
    throw error instanceof Error ? refuse(error.message) : failed("");
  }
}
