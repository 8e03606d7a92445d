// The delivery: what a broker signs and an entrypoint acts on. Every field is required but the marked ones, and an
// unknown field or version is refused, so that neither side ever acts on half of what the other meant.

import { createHash } from "node:crypto";
import { Fields, parseJson, ShapeError, text } from "../parse.ts";
import type { TextRule } from "../parse.ts";
import { Secret } from "../secret.ts";
import { ecsName, parseTaskArn } from "./ecs.ts";

/** The largest signed delivery an entrypoint reads, in bytes; its payload is smaller by what base64url adds. */
export const DELIVERY_BYTES = 16 * 1024;
/** The longest PEM of a CA that a delivery carries, in characters. */
export const MOST_CA = 8192;
/** The most paths of whole secrets, and the most variables, that a delivery carries. */
export const MOST_PATHS = 64;
export const MOST_VARIABLES = 256;
/** A delivery lives at most this long, in seconds. */
export const DELIVERY_LIFE = 60;
/** How far the clocks of broker, entrypoint and Vault may differ, in seconds. */
export const CLOCK_SKEW = 30;
/** The media type of a delivery (RFC 7515 section 9.2.2). */
export const DELIVERY_TYPE = "application/jose+json";

/** Who a delivery is for. */
export interface Audience {
  readonly taskArn: string;
  readonly containerName: string;
  readonly containerId: string;
}

/** Where the secrets of a container stand; logical paths, whichever the version of the KV engine. */
export interface SecretPlan {
  /** Whole secrets: each key becomes a variable. */
  readonly paths: readonly string[];
  /** Variable to `path#key`. */
  readonly env: ReadonlyMap<string, string>;
}

/** A delivery after its signature was checked. Times in seconds since 1970. */
export interface Delivery {
  readonly jti: string;
  readonly iat: number;
  readonly exp: number;
  readonly aud: Audience;
  readonly vault: {
    readonly addr: string;
    readonly namespace?: string;
    readonly ca?: string;
  };
  readonly wrap: Wrap;
  readonly secrets: SecretPlan;
  /** base64url SHA-256 of the listener's certificate, DER; only with `proof: ed25519`. */
  readonly tls?: string;
}

/** The wrapping token and what must be true of it. Durations in seconds. */
export type Wrap = WrappedToken | WrappedSecretId;

interface Wrapping {
  readonly token: Secret;
  readonly creationPath: string;
  readonly ttl: number;
}

/** With a token inside. */
export interface WrappedToken extends Wrapping {
  readonly kind: "token";
  /** base64url SHA-256 of the accessor of the token inside. */
  readonly accessorHash: string;
  readonly tokenTtl: number;
}

/**
 * With a SecretID of an AppRole inside, of which Vault tells no accessor before it is opened
 * (https://developer.hashicorp.com/vault/docs/concepts/response-wrapping: only a wrapped token has a wrapped_accessor).
 */
export interface WrappedSecretId extends Wrapping {
  readonly kind: "secret_id";
}

const HASH: TextRule = {
  max: 43,
  pattern: /^[A-Za-z0-9_-]{43}$/,
  form: "a SHA-256 as base64url",
};

/** The form of a logical Vault path: no empty, `.` or `..` segment, no query, nothing that needs escaping. */
export const vaultPath: TextRule = {
  max: 512,
  pattern: /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[\w@.+=:~-]+(?:\/[\w@.+=:~-]+)*$/,
  form: "a Vault path such as secret/web",
};

/** The form of a reference to one key of a secret: `path#key`. */
export const secretReference: TextRule = {
  max: 1024,
  pattern:
    /^(?!.*(?:^|\/)\.{1,2}(?:\/|#))[\w@.+=:~-]+(?:\/[\w@.+=:~-]+)*#[^#\0]+$/,
  form: "a path and a key such as secret/db#password",
};

/** The form of an environment variable's name (POSIX.1-2017 section 8.1). */
export const variableName: TextRule = {
  max: 255,
  pattern: /^[A-Za-z_][A-Za-z0-9_]*$/,
  form: "the name of an environment variable",
};

/** Parses a verified payload. Throws {@link ShapeError}; the entrypoint answers it as `bad_delivery`. */
export function parseDelivery(payload: Uint8Array): Delivery {
  const fields = new Fields(parseJson(payload, DELIVERY_BYTES));
  if (fields.take("v") !== 1) {
    throw new ShapeError("v", "must be 1");
  }
  fields.oneOf("iss", ["vaultbuddy"]);
  const jti = fields.text("jti", {
    max: 64,
    pattern: /^[\w-]{8,64}$/,
    form: "a delivery id",
  });
  const iat = fields.integer("iat", 0, 2 ** 40);
  const exp = fields.integer("exp", 0, 2 ** 40);
  if (exp <= iat || exp > iat + DELIVERY_LIFE) {
    throw new ShapeError("exp", `must be 1 to ${DELIVERY_LIFE} s after iat`);
  }
  const aud = parseAudience(fields.object("aud"));
  const vault = parseVault(fields.object("vault"));
  const wrap = parseWrap(fields.object("wrap"));
  const secrets = parseSecretPlan(fields.object("secrets"));
  const tls = fields.optionalText("tls", HASH);
  fields.done();
  return {
    jti,
    iat,
    exp,
    aud,
    vault,
    wrap,
    secrets,
    ...(tls === undefined ? {} : { tls }),
  };
}

function parseAudience(fields: Fields): Audience {
  const taskArn = parseTaskArn(
    fields.take("taskArn"),
    fields.place("taskArn"),
  ).arn;
  const containerName = fields.text("containerName", ecsName);
  const containerId = fields.text("containerId", { max: 128 });
  fields.done();
  return { taskArn, containerName, containerId };
}

function parseVault(fields: Fields): Delivery["vault"] {
  const addr = fields.text("addr", {
    max: 512,
    pattern: /^https?:\/\//,
    form: "an http(s) URL",
  });
  const namespace = fields.optionalText("namespace", { max: 512 });
  const ca = fields.optionalText("ca", { max: MOST_CA });
  fields.done();
  return {
    addr,
    ...(namespace === undefined ? {} : { namespace }),
    ...(ca === undefined ? {} : { ca }),
  };
}

function parseWrap(fields: Fields): Wrap {
  const kind = fields.oneOf("kind", ["token", "secret_id"]);
  const token = new Secret(
    fields.text("token", {
      max: 1024,
      pattern: /^[\x21-\x7e]+$/,
      form: "a token",
    }),
  );
  const creationPath = fields.text("creationPath", vaultPath);
  const ttl = fields.integer("ttl", 1, 3600);
  const wrap: Wrap =
    kind === "secret_id"
      ? { kind, token, creationPath, ttl }
      : {
          kind,
          token,
          accessorHash: fields.text("accessorHash", HASH),
          creationPath,
          ttl,
          tokenTtl: fields.integer("tokenTtl", 1, 2 ** 31),
        };
  fields.done();
  return wrap;
}

function parseSecretPlan(fields: Fields): SecretPlan {
  const paths = fields.list("paths", MOST_PATHS, (value, at) =>
    text(value, at, vaultPath),
  );
  const env = fields.table(
    "env",
    MOST_VARIABLES,
    variableName,
    secretReference,
  );
  fields.done();
  return { paths, env };
}

/** Writes the payload to be signed. */
export function writeDelivery(delivery: Delivery): Buffer {
  return Buffer.from(
    JSON.stringify({
      v: 1,
      iss: "vaultbuddy",
      ...delivery,
      wrap: { ...delivery.wrap, token: delivery.wrap.token.expose() },
      secrets: {
        paths: delivery.secrets.paths,
        env: Object.fromEntries(delivery.secrets.env),
      },
    }),
  );
}

/** The hash under which a delivery names an accessor, and by which an entrypoint compares the one it got. */
export function accessorHash(accessor: string): string {
  return createHash("sha256").update(accessor).digest("base64url");
}

/** The hash by which a delivery names a listener's certificate: over its DER. */
export function certificateHash(der: Uint8Array): string {
  return createHash("sha256").update(der).digest("base64url");
}

/**
 * An address of Vault in the one form in which two are compared: scheme and host in lower case, no default port, no
 * trailing slash. Throws {@link ShapeError} for what is no http(s) URL or has credentials, a query or a fragment.
 */
export function normaliseVaultAddr(value: string, at = "VAULT_ADDR"): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new ShapeError(at, "must be an http(s) URL");
  }
  if (
    url.username !== "" ||
    url.password !== "" ||
    url.search !== "" ||
    url.hash !== ""
  ) {
    throw new ShapeError(
      at,
      "must be an address only: no credentials, query or fragment",
    );
  }
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}`;
}
