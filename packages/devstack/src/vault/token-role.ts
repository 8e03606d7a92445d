// Vault's stand-in, the roles of the token store: what a token made through one may be. The old names of fields
// (period, explicit_max_ttl, bound_cidrs) are taken as Vault still takes them; the token_ names win.

import { isBlock } from "./cidr.ts";
import { wholeSeconds } from "./duration.ts";
import { refuse } from "./fault.ts";
import { listReply, nameGroup, pattern } from "./backend.ts";
import type { Call, Reply, Route } from "./backend.ts";
import type { Fields, Schema } from "./fields.ts";
import { quote } from "./json.ts";
import { tidyNames, tidyPolicies } from "./lists.ts";
import { Storage } from "./storage.ts";
import { systemLease } from "./ttl.ts";

/** Durations in milliseconds, 0 for none. */
export interface TokenRole {
  readonly name: string;
  allowed: readonly string[];
  disallowed: readonly string[];
  allowedGlob: readonly string[];
  disallowedGlob: readonly string[];
  entityAliases: readonly string[];
  orphan: boolean;
  renewable: boolean;
  pathSuffix: string;
  noDefaultPolicy: boolean;
  tokenType: string;
  numUses: number;
  period: number;
  explicitMaxTtl: number;
  boundCidrs: readonly string[];
  /** Which of the old names the role was written with, shown again on reading. */
  readonly old: { period: number; explicitMaxTtl: number; boundCidrs: boolean };
}

const fields: Schema = {
  allowed_policies: "comma list",
  disallowed_policies: "comma list",
  allowed_policies_glob: "comma list",
  disallowed_policies_glob: "comma list",
  allowed_entity_aliases: "comma list",
  orphan: "boolean",
  renewable: "boolean",
  path_suffix: "string",
  period: "duration",
  explicit_max_ttl: "duration",
  bound_cidrs: "comma list",
  token_bound_cidrs: "comma list",
  token_explicit_max_ttl: "duration",
  token_period: "duration",
  token_type: "string",
  token_no_default_policy: "boolean",
  token_num_uses: "integer",
};
const tokenTypes = ["service", "batch", "default-service", "default-batch"];

export class TokenRoles {
  readonly #roles = new Storage<TokenRole>();

  get(name: string): TokenRole | undefined {
    return this.#roles.get(name);
  }

  routes(): Route[] {
    return [
      {
        pattern: pattern("roles/?"),
        operations: { list: () => listReply(this.#roles.list("")) },
      },
      {
        pattern: pattern(`roles/${nameGroup("role_name")}`),
        fields,
        exists: (call) => this.#of(call) !== undefined,
        operations: {
          read: (call) => this.#read(call),
          create: (call) => this.#write(call),
          update: (call) => this.#write(call),
          delete: (call) => {
            this.#roles.delete(call.fields.string("role_name"));
            return undefined;
          },
        },
      },
    ];
  }

  #of(call: Call): TokenRole | undefined {
    return this.#roles.get(call.fields.string("role_name"));
  }

  #read(call: Call): Reply | undefined {
    const role = this.#of(call);
    if (role === undefined) return undefined;
    return {
      data: {
        period: wholeSeconds(role.old.period),
        token_period: wholeSeconds(role.period),
        explicit_max_ttl: wholeSeconds(role.old.explicitMaxTtl),
        token_explicit_max_ttl: wholeSeconds(role.explicitMaxTtl),
        disallowed_policies: [...role.disallowed],
        allowed_policies: [...role.allowed],
        disallowed_policies_glob: [...role.disallowedGlob],
        allowed_policies_glob: [...role.allowedGlob],
        name: role.name,
        orphan: role.orphan,
        path_suffix: role.pathSuffix,
        renewable: role.renewable,
        token_type: role.tokenType,
        allowed_entity_aliases:
          role.entityAliases.length > 0 ? [...role.entityAliases] : null,
        ...(role.boundCidrs.length > 0 && {
          token_bound_cidrs: [...role.boundCidrs],
        }),
        ...(role.old.boundCidrs && { bound_cidrs: [...role.boundCidrs] }),
        ...(role.numUses > 0 && { token_num_uses: role.numUses }),
      },
    };
  }

  #write(call: Call): Reply | undefined {
    const name = call.fields.string("role_name");
    const before = this.#of(call);
    const role: TokenRole =
      before === undefined
        ? newRole(name)
        : { ...before, old: { ...before.old } };
    const warnings: string[] = [];
    writeOwn(role, call.fields);
    writeType(role, call.fields);
    writeLimits(role, call.fields, warnings);
    checkBatch(role);
    this.#roles.set(name, role);
    return warnings.length > 0 ? { warnings } : undefined;
  }
}

function newRole(name: string): TokenRole {
  return {
    name,
    allowed: [],
    disallowed: [],
    allowedGlob: [],
    disallowedGlob: [],
    entityAliases: [],
    orphan: false,
    renewable: true,
    pathSuffix: "",
    noDefaultPolicy: false,
    tokenType: "default-service",
    numUses: 0,
    period: 0,
    explicitMaxTtl: 0,
    boundCidrs: [],
    old: { period: 0, explicitMaxTtl: 0, boundCidrs: false },
  };
}

function writeOwn(role: TokenRole, given: Fields): void {
  if (given.has("orphan")) role.orphan = given.boolean("orphan");
  if (given.has("renewable")) role.renewable = given.boolean("renewable");
  if (given.has("path_suffix")) {
    const suffix = given.string("path_suffix");
    if (suffix !== "" && !/\w[\w.-]+\w/.test(suffix))
      throw refuse(
        String.raw`given role path suffix contains invalid characters; must match \w[\w-.]+\w`,
      );
    if (suffix.includes(".."))
      throw refuse(
        "error registering path suffix: path cannot contain parent references",
      );
    role.pathSuffix = suffix;
  }
  if (given.has("allowed_policies"))
    role.allowed = tidyPolicies(given.list("allowed_policies"), false);
  if (given.has("disallowed_policies"))
    role.disallowed = tidyNames(given.list("disallowed_policies"));
  if (given.has("allowed_policies_glob"))
    role.allowedGlob = tidyPolicies(given.list("allowed_policies_glob"), false);
  if (given.has("disallowed_policies_glob"))
    role.disallowedGlob = tidyNames(given.list("disallowed_policies_glob"));
  if (given.has("allowed_entity_aliases"))
    role.entityAliases = tidyNames(given.list("allowed_entity_aliases"));
  if (given.has("token_no_default_policy"))
    role.noDefaultPolicy = given.boolean("token_no_default_policy");
}

function writeType(role: TokenRole, given: Fields): void {
  if (!given.has("token_type")) return;
  const type = given.string("token_type");
  if (!tokenTypes.includes(type))
    throw refuse(`invalid 'token_type' value ${quote(type)}`);
  role.tokenType = type;
}

function writeLimits(role: TokenRole, given: Fields, warnings: string[]): void {
  if (given.has("token_num_uses")) {
    role.numUses = given.integer("token_num_uses");
    if (role.numUses < 0)
      throw refuse(
        "error parsing role fields: 'token_num_uses' cannot be negative",
      );
  }
  preferred(given, "period", warnings, (value, old) => {
    role.period = given.duration(value);
    role.old.period = old ? role.period : 0;
  });
  preferred(given, "explicit_max_ttl", warnings, (value, old) => {
    role.explicitMaxTtl = given.duration(value);
    role.old.explicitMaxTtl = old ? role.explicitMaxTtl : 0;
  });
  preferred(given, "bound_cidrs", warnings, (value, old) => {
    const blocks = given.list(value);
    const wrong = blocks.find((block) => !isBlock(block));
    if (wrong !== undefined)
      throw refuse(
        `error parsing ${old ? "bound_cidrs" : "role fields"}: Unable to convert ${wrong} to an IPv4 or IPv6 address, or a UNIX Socket`,
      );
    role.boundCidrs = blocks;
    role.old.boundCidrs = old && blocks.length > 0;
  });
  if (role.explicitMaxTtl > systemLease)
    warnings.push(
      `Given explicit max TTL of ${wholeSeconds(role.explicitMaxTtl)} is greater than system/mount allowed value of ${wholeSeconds(systemLease)} seconds; until this is fixed attempting to create tokens against this role will result in an error`,
    );
}

function preferred(
  given: Fields,
  name: string,
  warnings: string[],
  write: (field: string, old: boolean) => void,
): void {
  if (given.has(`token_${name}`)) {
    write(`token_${name}`, false);
    if (given.has(name))
      warnings.push(
        `Both 'token_${name}' and deprecated '${name}' value supplied, ignoring the deprecated value`,
      );
  } else if (given.has(name)) write(name, true);
}

function checkBatch(role: TokenRole): void {
  if (role.tokenType !== "batch") return;
  const faults: readonly (readonly [boolean, string])[] = [
    [!role.orphan, "non-orphan tokens"],
    [role.period !== 0, "periodic tokens"],
    [role.renewable, "renewable tokens"],
    [role.explicitMaxTtl !== 0, "tokens with an explicit max TTL"],
  ];
  const fault = faults.find(([wrong]) => wrong);
  if (fault !== undefined)
    throw refuse(
      `'token_type' cannot be 'batch' when role is set to generate ${fault[1]}`,
    );
}
