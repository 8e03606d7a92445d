// Vault's stand-in, several policies as one: which rule a path falls under and what that rule allows. The order of
// precedence is Vault's: an exact rule, else the best of the longest prefix and the matching `+` patterns.

import type { Json, JsonObject } from "./json.ts";
import { matchesEnds } from "./lists.ts";
import type { Operation } from "./backend.ts";
import { denial } from "./policy.ts";
import type {
  Capability,
  Parameters,
  PathRule,
  Permissions,
} from "./policy.ts";

/** What of a request the rules look at. */
export interface Asked {
  readonly operation: Operation;
  readonly path: string;
  readonly data: JsonObject | undefined;
  /** The wrapping TTL asked for, in milliseconds; undefined when no header asks for wrapping. */
  readonly wrapTtl: number | undefined;
}

export interface Verdict {
  readonly allowed: boolean;
  /** The rule has `sudo`, or the caller is root. */
  readonly sudo: boolean;
}

export class Acl {
  readonly #exact = new Map<string, Permissions>();
  readonly #prefix = new Map<string, Permissions>();
  readonly #segments = new Map<string, Permissions>();
  readonly #root: boolean;

  constructor(rules: readonly PathRule[], root: boolean) {
    this.#root = root;
    for (const { kind, path, permissions } of rules) {
      const tree = {
        exact: this.#exact,
        prefix: this.#prefix,
        segments: this.#segments,
      }[kind];
      const before = tree.get(path);
      tree.set(
        path,
        before === undefined ? permissions : merge(before, permissions),
      );
    }
  }

  judge(asked: Asked): Verdict {
    if (this.#root) return { allowed: true, sudo: true };
    const found = this.#find(asked.path, asked.operation === "list");
    if (found === undefined) return { allowed: false, sudo: false };
    return {
      allowed: allows(found, asked),
      sudo: found.capabilities.has("sudo"),
    };
  }

  /** The capabilities on a path, in order, as sys/capabilities names them. */
  capabilities(path: string): string[] {
    if (this.#root) return ["root"];
    // Vault asks as if for a list, so that a rule without the closing slash counts as well.
    const found = this.#find(path, true)?.capabilities;
    if (found === undefined || found.size === 0 || found.has("deny"))
      return ["deny"];
    return [...found].toSorted();
  }

  hasSudo(path: string): boolean {
    return (
      this.#root || (this.#find(path, false)?.capabilities.has("sudo") ?? false)
    );
  }

  /** Whether anything is granted at or below a mount, which decides if its existence is told. */
  seesMount(path: string): boolean {
    if (!this.capabilities(path).includes("deny")) return true;
    const below = [...this.#exact, ...this.#prefix].some(
      ([rule, { capabilities }]) =>
        rule.startsWith(path) &&
        capabilities.size > 0 &&
        !capabilities.has("deny"),
    );
    return below || this.#segmentBelow(path);
  }

  #segmentBelow(path: string): boolean {
    const parts = path.split("/").slice(0, -1);
    return [...this.#segments].some(([pattern, { capabilities }]) => {
      if (capabilities.size === 0 || capabilities.has("deny")) return false;
      const names = pattern.split("/");
      return (
        names.length >= parts.length &&
        parts.every((part, at) => names[at] === "+" || names[at] === part)
      );
    });
  }

  #find(path: string, list: boolean): Permissions | undefined {
    const plain = path.replace(/^\/+/, "");
    const exact =
      this.#exact.get(plain) ??
      (list ? this.#exact.get(plain.replace(/\/$/, "")) : undefined);
    return exact ?? this.#findPattern(plain);
  }

  #findPattern(path: string): Permissions | undefined {
    const matches: Match[] = [];
    let longest: string | undefined;
    for (const prefix of this.#prefix.keys())
      if (
        path.startsWith(prefix) &&
        (longest === undefined || prefix.length > longest.length)
      )
        longest = prefix;
    if (longest !== undefined)
      matches.push({
        first: longest.length,
        prefix: true,
        wildcards: 0,
        path: longest,
        permissions: this.#prefix.get(longest) ?? denial,
      });
    for (const [pattern, permissions] of this.#segments) {
      const match = matchSegments(pattern, path, permissions);
      if (match !== undefined) matches.push(match);
    }
    return matches.toSorted(byPriority).at(-1)?.permissions;
  }
}

interface Match {
  /** Where the first `+` or `*` stands. */
  readonly first: number;
  readonly prefix: boolean;
  readonly wildcards: number;
  readonly path: string;
  readonly permissions: Permissions;
}

/** Lower first: an earlier wildcard, then a prefix, then more `+`, then a shorter rule, then the lesser text. */
function byPriority(left: Match, right: Match): number {
  return (
    left.first - right.first ||
    Number(right.prefix) - Number(left.prefix) ||
    right.wildcards - left.wildcards ||
    left.path.length - right.path.length ||
    (left.path < right.path ? -1 : Number(left.path > right.path))
  );
}

function matchSegments(
  pattern: string,
  path: string,
  permissions: Permissions,
): Match | undefined {
  const prefix = pattern.endsWith("*");
  const plain = prefix ? pattern.slice(0, -1) : pattern;
  const names = plain.split("/");
  const parts = path.split("/");
  if (parts.length < names.length) return undefined;
  if (!prefix && parts.length !== names.length) return undefined;
  const fits = names.every((name, at) => {
    const part = parts[at] ?? "";
    if (name === "+" || name === part) return true;
    return prefix && at === names.length - 1 && part.startsWith(name);
  });
  if (!fits) return undefined;
  return {
    first: pattern.indexOf("+"),
    prefix,
    wildcards: names.filter((name) => name === "+").length,
    path: plain,
    permissions,
  };
}

/** Two policies on one path: a deny wins, else capabilities add up and the lesser wrapping TTLs hold. */
function merge(one: Permissions, other: Permissions): Permissions {
  if (one.capabilities.has("deny")) return one;
  if (other.capabilities.has("deny"))
    return { ...one, ...denial, required: one.required };
  return {
    capabilities: new Set<Capability>([
      ...one.capabilities,
      ...other.capabilities,
    ]),
    minWrappingTtl: lesser(one.minWrappingTtl, other.minWrappingTtl),
    maxWrappingTtl: lesser(one.maxWrappingTtl, other.maxWrappingTtl),
    allowed: mergeParameters(one.allowed, other.allowed),
    denied: mergeParameters(one.denied, other.denied),
    required: [...new Set([...one.required, ...other.required])],
  };
}

function lesser(one: number, other: number): number {
  if (one === 0 || other === 0) return one + other;
  return Math.min(one, other);
}

function mergeParameters(
  one: Parameters | undefined,
  other: Parameters | undefined,
): Parameters | undefined {
  if (other === undefined || other.size === 0) return one;
  if (one === undefined) return other;
  const all = new Map(one);
  for (const [name, values] of other) {
    const before = all.get(name);
    // An empty list stands for every value, so it swallows the other.
    const every = values.length === 0 || before?.length === 0;
    all.set(name, every ? [] : [...values, ...(before ?? [])]);
  }
  return all;
}

function allows(permissions: Permissions, asked: Asked): boolean {
  if (!permissions.capabilities.has(asked.operation)) return false;
  const { minWrappingTtl: min, maxWrappingTtl: max } = permissions;
  const { wrapTtl } = asked;
  if (max > 0 && (wrapTtl === undefined || wrapTtl > max)) return false;
  if (min > 0 && (wrapTtl === undefined || wrapTtl < min)) return false;
  if (min !== 0 && max < min && max !== 0) return false;
  if (asked.operation === "list" || asked.operation === "delete") return true;
  return parametersAllow(permissions, asked.data ?? {});
}

function parametersAllow(
  { allowed, denied, required }: Permissions,
  data: JsonObject,
): boolean {
  if (required.some((name) => !Object.hasOwn(data, name.toLowerCase())))
    return false;
  const given = Object.entries(data);
  if (given.length === 0) return true;
  if (denied !== undefined && denied.size > 0) {
    if (denied.has("*")) return false;
    if (
      given.some(([name, value]) => {
        const values = denied.get(name.toLowerCase());
        return values !== undefined && among(value, values);
      })
    )
      return false;
  }
  if (allowed === undefined || allowed.size === 0) return true;
  const any = allowed.has("*");
  if (any && allowed.size === 1) return true;
  return given.every(([name, value]) => {
    const values = allowed.get(name.toLowerCase());
    return values === undefined ? any : among(value, values);
  });
}

function among(value: Json, values: readonly Json[]): boolean {
  if (values.length === 0) return true;
  return values.some((known) =>
    typeof known === "string" && typeof value === "string"
      ? matchesEnds(known, value)
      : sameValue(known, value),
  );
}

/** Vault compares a policy's types with a request's, in which a number is no number yet: it equals none of them. */
function sameValue(known: Json, value: Json): boolean {
  if (Array.isArray(known) && Array.isArray(value))
    return (
      known.length === value.length &&
      known.every((item, at) => sameValue(item, value[at] ?? null))
    );
  return (
    known === value &&
    (known === null || typeof known === "string" || typeof known === "boolean")
  );
}
