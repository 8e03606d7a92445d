// Vault's stand-in, what every auth method lets its roles say about the tokens it gives: policies, TTLs, uses, blocks
// of addresses and type, under the token_ names that Vault's methods share.

import { isBlock } from "./cidr.ts";
import { wholeSeconds } from "./duration.ts";
import type { Fields, Schema } from "./fields.ts";
import type { LoginReply } from "./backend.ts";
import { quote } from "./json.ts";
import type { JsonObject } from "./json.ts";

/** Durations in milliseconds, 0 for none. */
export interface TokenParams {
  boundCidrs: readonly string[];
  explicitMaxTtl: number;
  maxTtl: number;
  noDefaultPolicy: boolean;
  numUses: number;
  period: number;
  policies: readonly string[];
  type: string;
  ttl: number;
}

export const tokenFields: Schema = {
  token_bound_cidrs: "comma list",
  token_explicit_max_ttl: "duration",
  token_max_ttl: "duration",
  token_no_default_policy: "boolean",
  token_num_uses: "integer",
  token_period: "duration",
  token_policies: "comma list",
  token_type: "string",
  token_ttl: "duration",
};

export function newTokenParams(): TokenParams {
  return {
    boundCidrs: [],
    explicitMaxTtl: 0,
    maxTtl: 0,
    noDefaultPolicy: false,
    numUses: 0,
    period: 0,
    policies: [],
    type: "default",
    ttl: 0,
  };
}

/** Writes what the fields say into params; throws an Error with the text that Vault's methods show. */
export function writeTokenParams(params: TokenParams, given: Fields): void {
  if (given.has("token_bound_cidrs"))
    params.boundCidrs = blocksOf(given.list("token_bound_cidrs"));
  if (given.has("token_explicit_max_ttl"))
    params.explicitMaxTtl = given.duration("token_explicit_max_ttl");
  if (given.has("token_max_ttl"))
    params.maxTtl = given.duration("token_max_ttl");
  if (given.has("token_no_default_policy"))
    params.noDefaultPolicy = given.boolean("token_no_default_policy");
  if (given.has("token_period")) params.period = given.duration("token_period");
  if (given.has("token_policies"))
    params.policies = given.list("token_policies");
  if (given.has("token_type")) params.type = typeOf(given.string("token_type"));
  if (given.has("token_num_uses"))
    params.numUses = given.integer("token_num_uses");
  if (params.numUses < 0)
    throw new Error("'token_num_uses' cannot be negative");
  if (params.type === "batch" && params.period !== 0)
    throw new Error(
      "'token_type' cannot be 'batch' or 'default_batch' when set to generate periodic tokens",
    );
  if (params.type === "batch" && params.numUses !== 0)
    throw new Error(
      "'token_type' cannot be 'batch' or 'default_batch' when set to generate tokens with limited use count",
    );
  if (given.has("token_ttl")) params.ttl = given.duration("token_ttl");
  if (params.ttl > 0 && params.maxTtl > 0 && params.ttl > params.maxTtl)
    throw new Error("'token_ttl' cannot be greater than 'token_max_ttl'");
}

export function blocksOf(blocks: readonly string[]): readonly string[] {
  const wrong = blocks.find((block) => !isBlock(block));
  if (wrong !== undefined)
    throw new Error(
      `error parsing address ${quote(wrong)}: Unable to convert ${wrong} to an IPv4 or IPv6 address, or a UNIX Socket`,
    );
  return blocks;
}

function typeOf(text: string): string {
  if (text === "") return "default";
  if (!["service", "batch", "default"].includes(text))
    throw new Error(`invalid 'token_type' value ${quote(text)}`);
  return text;
}

export function describeTokenParams(params: TokenParams): JsonObject {
  return {
    token_bound_cidrs: [...params.boundCidrs],
    token_explicit_max_ttl: wholeSeconds(params.explicitMaxTtl),
    token_max_ttl: wholeSeconds(params.maxTtl),
    token_no_default_policy: params.noDefaultPolicy,
    token_num_uses: params.numUses,
    token_period: wholeSeconds(params.period),
    token_policies: [...params.policies],
    token_type: params.type,
    token_ttl: wholeSeconds(params.ttl),
  };
}

/** The part of a login's answer that the role decides. */
export function loginFrom(
  params: TokenParams,
): Omit<LoginReply, "displayName" | "alias" | "metadata"> {
  return {
    policies: params.policies,
    noDefaultPolicy: params.noDefaultPolicy,
    ttl: params.ttl,
    maxTtl: params.maxTtl,
    period: params.period,
    explicitMaxTtl: params.explicitMaxTtl,
    numUses: params.numUses,
    boundCidrs: params.boundCidrs,
    tokenType: params.type,
  };
}
