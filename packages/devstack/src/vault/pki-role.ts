// Vault's stand-in, the roles of the PKI engine: what they allow to be named, for how long, and with which key.

import { isIP } from "node:net";
import type { Call, Handler, Reply, Route } from "./backend.ts";
import { listReply, nameGroup, pattern } from "./backend.ts";
import { wholeSeconds } from "./duration.ts";
import { refuse } from "./fault.ts";
import type { Schema } from "./fields.ts";
import { coveredByGlob } from "./lists.ts";
import type { Storage } from "./storage.ts";

const booleans = {
  allow_any_name: false,
  allow_bare_domains: false,
  allow_glob_domains: false,
  allow_ip_sans: true,
  allow_localhost: true,
  allow_subdomains: false,
  client_flag: true,
  enforce_hostnames: true,
  generate_lease: false,
  require_cn: true,
  server_flag: true,
} as const;

export interface PkiRole {
  readonly may: Readonly<Record<keyof typeof booleans, boolean>>;
  readonly domains: readonly string[];
  /** Milliseconds, 0 for the mount's. */
  readonly ttl: number;
  readonly maxTtl: number;
  readonly keyType: string;
  readonly keyBits: number;
}

const fields: Schema = {
  allowed_domains: "comma list",
  ttl: "duration",
  max_ttl: "duration",
  key_type: "string",
  key_bits: "integer",
  ...Object.fromEntries(
    Object.keys(booleans).map((name) => [name, "boolean" as const]),
  ),
};
const sizes: Readonly<Record<string, readonly number[]>> = {
  rsa: [2048, 3072, 4096, 8192],
  ec: [256, 384, 521],
};

export function pkiRoleRoutes(roles: Storage<PkiRole>): Route[] {
  const write: Handler = (call) => {
    roles.set(call.fields.string("name"), readRole(call));
    return undefined;
  };
  return [
    {
      pattern: pattern("roles/?"),
      operations: { list: () => listReply(roles.list("")) },
    },
    {
      pattern: pattern(`roles/${nameGroup("name")}`),
      fields,
      operations: {
        update: write,
        read: (call) => describe(roles.get(call.fields.string("name"))),
        delete: (call) => {
          roles.delete(call.fields.string("name"));
          return undefined;
        },
      },
    },
  ];
}

/** A role is always written as a whole: what is not named gets its default. */
function readRole({ fields: given }: Call): PkiRole {
  const keyType = given.has("key_type") ? given.string("key_type") : "rsa";
  const known = sizes[keyType];
  if (known === undefined) throw refuse(`unknown key type ${keyType}`);
  const keyBits = given.integer("key_bits") || (known[0] ?? 0);
  if (!known.includes(keyBits))
    throw refuse(
      `unsupported bit length for ${keyType === "ec" ? "EC" : "RSA"} key: ${keyBits}`,
    );
  const [ttl, maxTtl] = [given.duration("ttl"), given.duration("max_ttl")];
  if (ttl > 0 && maxTtl > 0 && ttl > maxTtl)
    throw refuse(
      '"ttl" value must be less than "max_ttl" and/or system default max lease TTL value',
    );
  const flag = (name: keyof typeof booleans): boolean =>
    given.boolean(name, booleans[name]);
  return {
    may: {
      allow_any_name: flag("allow_any_name"),
      allow_bare_domains: flag("allow_bare_domains"),
      allow_glob_domains: flag("allow_glob_domains"),
      allow_ip_sans: flag("allow_ip_sans"),
      allow_localhost: flag("allow_localhost"),
      allow_subdomains: flag("allow_subdomains"),
      client_flag: flag("client_flag"),
      enforce_hostnames: flag("enforce_hostnames"),
      generate_lease: flag("generate_lease"),
      require_cn: flag("require_cn"),
      server_flag: flag("server_flag"),
    },
    domains: given.list("allowed_domains"),
    ttl,
    maxTtl,
    keyType,
    keyBits,
  };
}

function describe(role: PkiRole | undefined): Reply | undefined {
  return (
    role && {
      data: {
        ...role.may,
        allowed_domains: [...role.domains],
        ttl: wholeSeconds(role.ttl),
        max_ttl: wholeSeconds(role.maxTtl),
        key_type: role.keyType,
        key_bits: role.keyBits,
      },
    }
  );
}

/** Whether a role lets a certificate hold for a name. */
export function allowsName({ may, domains }: PkiRole, name: string): boolean {
  const host = name.replace(/^\*\./, "");
  if (may.enforce_hostnames && !isHostname(host)) return false;
  if (may.allow_any_name) return true;
  if (may.allow_localhost && ["localhost", "localdomain"].includes(name))
    return true;
  return domains.some(
    (domain) =>
      (may.allow_bare_domains && name === domain) ||
      (may.allow_subdomains && name.endsWith(`.${domain}`)) ||
      (may.allow_glob_domains &&
        domain.includes("*") &&
        coveredByGlob([domain], name)),
  );
}

function isHostname(name: string): boolean {
  return (
    isIP(name) === 0 &&
    /^(?:[A-Za-z\d](?:[A-Za-z\d-]{0,61}[A-Za-z\d])?\.)*[A-Za-z\d](?:[A-Za-z\d-]{0,61}[A-Za-z\d])?\.?$/.test(
      name,
    )
  );
}
