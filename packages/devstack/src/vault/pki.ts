// Vault's stand-in, the PKI engine: an authority that signs for itself, roles, and certificates that are issued with
// their keys, under a lease where the role says so. Of Vault's many parameters those that name, limit and format.

import { isIP } from "node:net";
import { listReply, nameGroup, pattern } from "./backend.ts";
import type { Backend, Call, Reply, Route } from "./backend.ts";
import type { Core } from "./core.ts";
import { failed, refuse } from "./fault.ts";
import type { Json } from "./json.ts";
import { quote } from "./json.ts";
import { allowsName, pkiRoleRoutes } from "./pki-role.ts";
import type { PkiRole } from "./pki-role.ts";
import { Storage } from "./storage.ts";
import { certify, makeKey, pemOf } from "./x509.ts";
import type { Certified } from "./x509.ts";

interface Authority {
  root: Certified | undefined;
  /** By serial number, with hyphens as Vault keeps them. */
  readonly issued: Storage<Certified>;
}

/** Clocks differ: Vault's certificates hold from half a minute ago. */
const BACKDATED = 30_000;
const naming = {
  common_name: "string",
  alt_names: "string",
  ip_sans: "comma list",
  exclude_cn_from_sans: "boolean",
  ttl: "duration",
  format: "string",
  private_key_format: "string",
} as const;

export function pkiBackend(core: Core): Backend {
  const roles = new Storage<PkiRole>();
  const authority: Authority = { root: undefined, issued: new Storage() };
  return {
    rootPaths: ["root", "root/sign-self-issued"],
    openPaths: ["cert/*", "ca/pem", "ca"],
    routes: [
      ...rootRoutes(core, authority),
      ...pkiRoleRoutes(roles),
      {
        pattern: pattern(`issue/${nameGroup("role")}`),
        fields: naming,
        operations: { update: (call) => issue(core, authority, roles, call) },
      },
      ...certificateRoutes(authority),
    ],
  };
}

function rootRoutes(core: Core, authority: Authority): Route[] {
  return [
    {
      pattern: pattern(`root/generate/${nameGroup("exported")}`),
      fields: { ...naming, key_type: "string", key_bits: "integer" },
      operations: { update: (call) => generateRoot(core, authority, call) },
    },
    {
      pattern: pattern("root"),
      operations: {
        delete: () => {
          authority.root = undefined;
          return undefined;
        },
      },
    },
  ];
}

function generateRoot(core: Core, authority: Authority, call: Call): Reply {
  const { fields } = call;
  const exported = fields.string("exported");
  if (authority.root !== undefined)
    return {
      warnings: [
        `Refusing to generate a root certificate over an existing root certificate. If you really want to destroy the original root certificate, please issue a delete against ${call.mount.route}root.`,
      ],
    };
  if (exported !== "internal" && exported !== "exported")
    throw refuse(
      'the "exported" path parameter must be "internal", "exported" or "kms"',
    );
  const format = formatOf(call);
  const commonName = fields.string("common_name");
  if (commonName === "")
    throw refuse(
      'the common_name field is required, or must be provided in a CSR with "use_csr_common_name" set to true, unless "require_cn" is set to false',
    );
  const type = fields.string("key_type") || "rsa";
  const now = core.now();
  const root = certify(
    {
      commonName,
      names: namesOf(call, commonName),
      notBefore: now - BACKDATED,
      notAfter: now + lifeOf(core, call, undefined),
      authority: true,
      server: false,
      client: false,
    },
    makeKey(type, fields.integer("key_bits")),
  );
  authority.root = root;
  keep(authority, root);
  return {
    data: answer(
      root,
      root,
      format,
      exported === "exported" ? type : undefined,
    ),
  };
}

function issue(
  core: Core,
  authority: Authority,
  roles: Storage<PkiRole>,
  call: Call,
): Reply {
  const { fields } = call;
  const name = fields.string("role");
  const role = roles.get(name);
  if (role === undefined) throw refuse(`unknown role: ${name}`);
  const format = formatOf(call);
  const { root } = authority;
  if (root === undefined)
    throw failed(
      "could not fetch the CA certificate (was one set?): backend must be configured with a CA certificate/key",
      400,
    );
  const commonName = fields.string("common_name");
  checkNames(role, call, commonName);
  const now = core.now();
  const notAfter = now + lifeOf(core, call, role);
  if (notAfter > root.notAfter)
    throw refuse(
      `cannot satisfy request, as TTL would result in notAfter ${new Date(notAfter).toISOString()} that is beyond the expiration of the CA certificate at ${new Date(root.notAfter).toISOString()}`,
    );
  const made = certify(
    {
      commonName,
      names: namesOf(call, commonName),
      notBefore: now - BACKDATED,
      notAfter,
      authority: false,
      server: role.may.server_flag,
      client: role.may.client_flag,
    },
    makeKey(role.keyType, role.keyBits),
    root,
  );
  keep(authority, made);
  return {
    data: answer(made, root, format, role.keyType),
    ...(role.may.generate_lease && {
      secret: { ttl: notAfter - now, maxTtl: 0, renewable: false },
    }),
  };
}

function checkNames(role: PkiRole, call: Call, commonName: string): void {
  if (commonName === "" && role.may.require_cn)
    throw refuse(
      'the common_name field is required, or must be provided in a CSR with "use_csr_common_name" set to true, unless "require_cn" is set to false',
    );
  if (commonName !== "" && !allowsName(role, commonName))
    throw refuse(`common name ${commonName} not allowed by this role`);
  const refused = alternatives(call).find((name) => !allowsName(role, name));
  if (refused !== undefined)
    throw refuse(`subject alternate name ${refused} not allowed by this role`);
  const addresses = call.fields.list("ip_sans");
  if (addresses.length > 0 && !role.may.allow_ip_sans)
    throw refuse(
      "IP Subject Alternative Names are not allowed in this role, but was provided some via the API",
    );
  const odd = addresses.find((address) => isIP(address) === 0);
  if (odd !== undefined)
    throw refuse(`the value ${quote(odd)} is not a valid IP address`);
}

function alternatives({ fields }: Call): string[] {
  return fields
    .string("alt_names")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

function namesOf(call: Call, commonName: string): string[] {
  const own =
    commonName === "" || call.fields.boolean("exclude_cn_from_sans")
      ? []
      : [commonName];
  return [
    ...new Set([...own, ...alternatives(call)]),
    ...call.fields.list("ip_sans"),
  ];
}

/** Milliseconds: what was asked, else the role's, else the mount's, and never more than is allowed. */
function lifeOf(
  core: Core,
  { fields, mount }: Call,
  role: PkiRole | undefined,
): number {
  const most = role?.maxTtl || core.maxTtl(mount.route);
  const wanted =
    fields.duration("ttl") || (role?.ttl ?? 0) || core.defaultTtl(mount.route);
  return Math.min(wanted, most);
}

function formatOf({ fields }: Call): string {
  const format = fields.string("format") || "pem";
  if (!["pem", "der", "pem_bundle"].includes(format))
    throw refuse(
      'the "format" path parameter must be "pem", "der", or "pem_bundle"',
    );
  return format;
}

/** `keyType` where the key is to be told. */
function answer(
  made: Certified,
  root: Certified,
  format: string,
  keyType: string | undefined,
): Record<string, Json> {
  const plain = format === "der";
  const certificate = plain ? made.der.toString("base64") : pemOf(made);
  const key = privateKeyOf(made, keyType, plain);
  return {
    certificate:
      format === "pem_bundle" ? [...key, certificate].join("\n") : certificate,
    issuing_ca: plain ? root.der.toString("base64") : pemOf(root),
    serial_number: made.serial,
    expiration: Math.floor(made.notAfter / 1000),
    ...(keyType !== undefined && {
      private_key: key[0] ?? "",
      private_key_type: keyType,
    }),
  };
}

function privateKeyOf(
  { key }: Certified,
  keyType: string | undefined,
  plain: boolean,
): string[] {
  if (keyType === undefined) return [];
  const type = keyType === "ec" ? "sec1" : "pkcs1";
  return plain
    ? [key.export({ format: "der", type }).toString("base64")]
    : [key.export({ format: "pem", type }).toString().trim()];
}

function keep({ issued }: Authority, made: Certified): void {
  issued.set(made.serial.replaceAll(":", "-"), made);
}

function certificateRoutes(authority: Authority): Route[] {
  const found = (serial: string): Certified | undefined =>
    serial === "ca"
      ? authority.root
      : authority.issued.get(serial.replaceAll(":", "-"));
  return [
    {
      pattern: pattern("ca/pem"),
      operations: {
        read: () => ({
          raw: {
            status: 200,
            body: authority.root === undefined ? "" : pemOf(authority.root),
          },
        }),
      },
    },
    {
      pattern: pattern("certs/?"),
      operations: { list: () => listReply(authority.issued.list("")) },
    },
    {
      pattern: pattern("cert/(?<serial>[0-9A-Fa-f:-]+|ca)"),
      operations: {
        read: ({ fields }) => {
          const one = found(fields.string("serial"));
          return (
            one && { data: { certificate: pemOf(one), revocation_time: 0 } }
          );
        },
      },
    },
  ];
}
