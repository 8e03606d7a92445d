// Vault's stand-in, how a token is made by a token: which policies it may have, how long it lives and whether it is
// bound to its parent. Role, request and parent each have a say; the order of the checks is Vault's.

import { refuse } from "./fault.ts";
import { weakBoolean, weakInteger, weakList, weakString } from "./fields.ts";
import { isObject, quote } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Call, Reply } from "./backend.ts";
import type { Core } from "./core.ts";
import { chooseTimes, seconds } from "./token-times.ts";
import { choosePolicies } from "./token-policies.ts";
import type { TokenRole } from "./token-role.ts";
import { checkChosenId } from "./token.ts";
import type { Token } from "./token.ts";

/** What a request to create a token may say; durations are still text, as Vault reads them late. */
export interface CreateAsked {
  readonly id: string;
  readonly policies: readonly string[];
  readonly meta: Record<string, string> | null;
  readonly noParent: boolean;
  readonly noDefaultPolicy: boolean;
  readonly renewable: boolean;
  readonly ttl: string;
  readonly lease: string;
  readonly explicitMaxTtl: string;
  readonly period: string;
  readonly displayName: string;
  readonly numUses: number;
  readonly type: string;
  readonly entityAlias: string;
}

function readAsked(data: JsonObject | undefined): CreateAsked {
  const of = (name: string): Json => data?.[name] ?? null;
  const text = (name: string): string => weakString(of(name), name);
  const flag = (name: string): boolean => weakBoolean(of(name), name);
  try {
    return {
      id: text("id"),
      policies: weakList(of("policies"), "policies"),
      meta: readMeta(of("meta")),
      noParent: flag("no_parent"),
      noDefaultPolicy: flag("no_default_policy"),
      renewable: of("renewable") === null || flag("renewable"),
      ttl: text("ttl"),
      lease: text("lease"),
      explicitMaxTtl: text("explicit_max_ttl"),
      period: text("period"),
      displayName: text("display_name"),
      numUses: weakInteger(of("num_uses"), "num_uses"),
      type: text("type"),
      entityAlias: text("entity_alias"),
    };
  } catch (error) {
    throw refuse(
      `Error decoding request: 1 error(s) decoding:\n\n* ${error instanceof Error ? error.message : ""}`,
    );
  }
}

function readMeta(meta: Json): Record<string, string> | null {
  if (meta === null) return null;
  if (!isObject(meta))
    throw new Error(
      `'meta' expected a map, got '${Array.isArray(meta) ? "slice" : typeof meta}'`,
    );
  return Object.fromEntries(
    Object.entries(meta).map(([key, value]) => [
      key,
      weakString(value, `meta[${key}]`),
    ]),
  );
}

const customIdWarning =
  "Supplying a custom ID for the token uses the weaker SHA1 hashing instead of the more secure SHA2-256 HMAC for token obfuscation. SHA1 hashed tokens on the wire leads to less secure lookups.";

/** Makes the token that the call asks for and answers it. */
export function createToken(
  core: Core,
  call: Call,
  orphan: boolean,
  role: TokenRole | undefined,
): Reply {
  const parent = core.tokens.find(call.request.token);
  if (parent === undefined)
    throw refuse("parent token lookup failed: no parent found");
  if (parent.type === "batch")
    throw refuse("batch tokens cannot create more tokens");
  if (parent.numUses > 0)
    throw refuse("restricted use token cannot generate child tokens");
  const sudo = core.acl(parent).hasSudo(call.request.path);
  const asked = readAsked(call.request.data);
  const type = chooseType(asked, role);
  if (asked.numUses < 0) throw refuse("number of uses cannot be negative");
  const explicitEntity = entityOf(core, call, asked, role);
  if (asked.id !== "" && !sudo)
    throw refuse("root or sudo privileges required to specify token id");
  const policies = choosePolicies(asked, role, parent, sudo, type);
  const hasParent = keepsParent(asked, role, orphan, sudo);
  const times = chooseTimes(core, asked, role, type, sudo, policies);
  const warnings = [...times.warnings];
  const nonExpiring = times.ttl === 0;
  if (nonExpiring && parent.ttl !== 0)
    throw refuse("expiring root tokens cannot create non-expiring root tokens");
  if (asked.id !== "") {
    warnings.push(customIdWarning);
    if (type === "service") checkChosenId(asked.id, core.tokens);
  }
  const token = core.tokens.create({
    ...(asked.id !== "" && { id: asked.id }),
    parent: hasParent ? parent.id : "",
    policies,
    path: pathOf(call, role),
    meta: asked.meta,
    displayName: displayName(asked.displayName),
    numUses: usesOf(asked.numUses, role?.numUses ?? 0),
    ttl: times.ttl,
    explicitMaxTtl: times.ownMax,
    period: times.ownPeriod,
    type,
    entityId: explicitEntity ?? (hasParent ? parent.entityId : ""),
    role: role?.name ?? "",
    boundCidrs: nonExpiring ? [] : cidrsOf(role, hasParent, parent),
    renewable:
      asked.renewable &&
      (role?.renewable ?? true) &&
      type !== "batch" &&
      !nonExpiring,
    lease: { ttl: times.ttl, period: times.period, explicitMaxTtl: times.max },
  });
  for (const name of policies)
    if (!core.policies.has(name))
      warnings.push(`Policy ${quote(name)} does not exist`);
  return { auth: { token, metadata: asked.meta }, warnings };
}

function pathOf(call: Call, role: TokenRole | undefined): string {
  const suffix = role?.pathSuffix ?? "";
  return `auth/token/${call.path}${suffix === "" ? "" : `/${suffix}`}`;
}

function displayName(asked: string): string {
  if (asked === "") return "token";
  return `token-${asked}`.replaceAll(/[^a-zA-Z0-9-]/g, "-").replace(/-$/, "");
}

/** 0 stands for no limit, so that the lesser of two limits is not simply the lesser number. */
function usesOf(asked: number, role: number): number {
  if (role === 0) return asked;
  return asked === 0 ? role : Math.min(asked, role);
}

function cidrsOf(
  role: TokenRole | undefined,
  hasParent: boolean,
  parent: Token,
): readonly string[] {
  if (role !== undefined) return role.boundCidrs;
  return hasParent ? parent.boundCidrs : [];
}

function chooseType(
  asked: CreateAsked,
  role: TokenRole | undefined,
): "service" | "batch" {
  let type = asked.type;
  if (role?.tokenType === "service" || role?.tokenType === "batch")
    type = role.tokenType;
  else if (role?.tokenType === "default-batch" && type === "") type = "batch";
  if (type === "" || type === "service") return "service";
  if (type !== "batch") throw refuse("invalid 'token_type' value");
  const bad = batchFault(asked);
  if (bad !== undefined)
    throw refuse(`batch tokens cannot have ${quote(bad)} set`);
  return "batch";
}

function batchFault(asked: CreateAsked): string | undefined {
  if (asked.explicitMaxTtl !== "")
    return seconds(
      asked.explicitMaxTtl,
      '"explicit_max_ttl" value could not be parsed',
    ) === 0
      ? undefined
      : "explicit_max_ttl";
  if (asked.numUses !== 0) return "num_uses";
  if (asked.period !== "")
    return seconds(asked.period, '"period" value could not be parsed') === 0
      ? undefined
      : "period";
  return undefined;
}

function entityOf(
  core: Core,
  call: Call,
  asked: CreateAsked,
  role: TokenRole | undefined,
): string | undefined {
  if (asked.entityAlias === "") return undefined;
  if (role === undefined)
    throw refuse(
      "'entity_alias' is only allowed in combination with token role",
    );
  if (!core.aliasAllowed(role.entityAliases, asked.entityAlias.toLowerCase()))
    throw refuse("invalid 'entity_alias' value");
  return core.entityFor(call.mount, asked.entityAlias);
}

function keepsParent(
  asked: CreateAsked,
  role: TokenRole | undefined,
  orphan: boolean,
  sudo: boolean,
): boolean {
  if (role !== undefined) return !role.orphan;
  if (asked.noParent) {
    if (!sudo)
      throw refuse("root or sudo privileges required to create orphan token");
    return false;
  }
  return !orphan;
}
