// Vault's stand-in, tuning of a mount: its TTLs, description, visibility, token type and options, changed in place.

import type { Core } from "./core.ts";
import type { Reply } from "./backend.ts";
import { parseSeconds } from "./duration.ts";
import { refuse } from "./fault.ts";
import type { Fields } from "./fields.ts";
import { quote } from "./json.ts";
import type { Mount } from "./mounts.ts";
import { systemLease } from "./ttl.ts";

export const tuneFields = {
  default_lease_ttl: "string",
  max_lease_ttl: "string",
  description: "string",
  listing_visibility: "string",
  token_type: "string",
  options: "pairs",
} as const;
const untunable = ["cubbyhole/", "sys/", "audit/", "identity/"];
const tokenTypes = ["default-service", "default-batch", "service", "batch"];

export function tuneMount(
  core: Core,
  path: string,
  fields: Fields,
): Reply | undefined {
  if (untunable.some((known) => path.startsWith(known)))
    throw refuse(`cannot tune ${quote(path)}`);
  const mount = core.mounts.match(path);
  if (mount === undefined)
    throw refuse(`tune of path ${quote(path)} failed: no mount entry found`);
  tuneTtls(mount, fields);
  if (fields.has("description"))
    mount.description = fields.string("description");
  if (fields.has("listing_visibility")) {
    const visibility = fields.string("listing_visibility");
    if (!["", "hidden", "unauth"].includes(visibility))
      throw refuse(`invalid listing_visibility ${visibility}`);
    mount.config.listingVisibility = visibility;
  }
  if (fields.has("token_type")) tuneTokenType(mount, fields);
  tuneOptions(mount, fields.pairs("options") ?? {});
  return undefined;
}

function tuneTtls(mount: Mount, fields: Fields): void {
  const read = (name: string, before: number): number => {
    const text = fields.has(name) ? fields.string(name) : "";
    if (text === "") return before;
    if (text === "system") return 0;
    try {
      return parseSeconds(text);
    } catch (error) {
      throw refuse(error instanceof Error ? error.message : "");
    }
  };
  const defaultTtl = read("default_lease_ttl", mount.config.defaultTtl);
  const maxTtl = read("max_lease_ttl", mount.config.maxTtl);
  const most = maxTtl || systemLease;
  if (defaultTtl > most)
    throw refuse(
      `backend default lease TTL of ${Math.trunc(defaultTtl / 1000)} greater than ${maxTtl === 0 ? "system" : "backend"} max lease TTL of ${Math.trunc(most / 1000)}`,
    );
  mount.config.defaultTtl = defaultTtl;
  mount.config.maxTtl = maxTtl;
}

function tuneTokenType(mount: Mount, fields: Fields): void {
  if (mount.table !== "auth")
    throw refuse("'token_type' can only be modified on auth mounts");
  if (mount.type === "token")
    throw refuse(
      "'token_type' cannot be set for 'token' or 'ns_token' auth mounts",
    );
  const type = fields.string("token_type") || "default-service";
  if (!tokenTypes.includes(type))
    throw refuse("invalid value for 'token_type'");
  mount.config.tokenType = type;
}

/** The version of a key/value engine stays as it was mounted: upgrading in place is not part of this stand-in. */
function tuneOptions(mount: Mount, given: Record<string, string>): void {
  const version = given["version"];
  if (version !== undefined && version !== mount.options?.["version"])
    throw refuse(
      Number(version) < Number(mount.options?.["version"])
        ? `cannot downgrade mount from version ${mount.options?.["version"] ?? ""}`
        : `invalid version provided: ${version}`,
    );
  const kept = Object.entries({ ...mount.options, ...given }).filter(
    ([, value]) => value !== "",
  );
  if (kept.length > 0) mount.options = Object.fromEntries(kept);
}
