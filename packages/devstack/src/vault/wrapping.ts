// Vault's stand-in, response wrapping: an answer is put into the cubbyhole of a token that can open it once. The
// token inside lives on its own: revoking the wrapping token leaves it alive, as in Vault.

import type { Core } from "./core.ts";
import type { Reply, VaultRequest } from "./backend.ts";
import { failed, invalidWrappingToken, refuse } from "./fault.ts";
import { isObject } from "./json.ts";
import type { Json } from "./json.ts";
import { responseWrappingPolicy } from "./lists.ts";
import { bodyOf } from "./render.ts";
import type { Token } from "./token.ts";

export interface WrapInfo {
  readonly token: string;
  readonly accessor: string;
  /** Milliseconds. */
  readonly ttl: number;
  readonly creationTime: number;
  readonly creationPath: string;
  /** The accessor of the token inside, when there is one, or of the SecretID. */
  readonly wrappedAccessor: string | undefined;
}

/** Puts the reply into a new wrapping token's cubbyhole. */
export function wrap(
  core: Core,
  request: VaultRequest,
  reply: Reply,
  ttl: number,
): WrapInfo {
  const rewrap = reply.rewrap;
  if (request.operation === "list" && noKeys(reply))
    throw refuse("unsupported path", 404);
  const token = core.tokens.create({
    parent: "",
    policies: [responseWrappingPolicy],
    path: request.path,
    meta: null,
    displayName: "",
    numUses: 1,
    ttl,
    explicitMaxTtl: ttl,
    period: 0,
    type: "service",
    entityId: "",
    role: "",
    boundCidrs: [],
    renewable: false,
    lease: { ttl, period: 0, explicitMaxTtl: 0 },
  });
  const creationPath = rewrap?.path ?? request.path;
  token.cubbyhole.set("response", {
    response: rewrap?.response ?? stored(request, reply),
  });
  token.cubbyhole.set("wrapinfo", {
    // Nanoseconds, as Go writes a duration.
    creation_ttl: ttl * 1e6,
    creation_time: new Date(token.issued).toISOString(),
    creation_path: creationPath,
  });
  return {
    token: token.id,
    accessor: token.accessor,
    ttl,
    creationTime: token.issued,
    creationPath,
    wrappedAccessor: reply.auth?.token.accessor ?? reply.wrappedAccessor,
  };
}

function noKeys(reply: Reply): boolean {
  const data = reply.data ?? {};
  const keys = data["keys"];
  if (Array.isArray(keys)) return keys.length === 0;
  return Object.keys(data).length === 0 && (reply.warnings ?? []).length === 0;
}

/** The text that unwrapping gives back. An answer with a status of its own is kept with it. */
function stored(request: VaultRequest, reply: Reply): string {
  const own =
    reply.raw ??
    (reply.status === undefined
      ? undefined
      : { status: reply.status, body: bodyOf(request, reply) });
  if (own === undefined) return bodyOf(request, reply);
  return bodyOf(request, {
    data: {
      http_content_type: "application/json",
      http_raw_body: Buffer.from(own.body).toString("base64"),
      http_status_code: own.status,
    },
  });
}

/** Refuses the request unless the token in its body, or else its own, is a wrapping token that is unopened. */
export function checkWrappingToken(core: Core, request: VaultRequest): void {
  const given = request.data?.["token"] ?? null;
  if (given !== null && typeof given !== "string")
    throw refuse(
      "error validating wrapping token: could not decode token in request body",
    );
  if (given === "")
    throw refuse(
      "error validating wrapping token: empty token in request body",
    );
  const id = given ?? request.token;
  if (id === "")
    throw refuse("error validating wrapping token: token is empty");
  if (id.split(".").length === 3 && id[1] !== ".")
    throw refuse(
      "error validating wrapping token: wrapping token could not be parsed: square/go-jose: compact JWS format must have three parts",
    );
  const token = core.tokens.find(id);
  if (token === undefined || !opensSomething(token))
    throw refuse(invalidWrappingToken);
}

function opensSomething(token: Token): boolean {
  return (
    token.policies.length === 1 && token.policies[0] === responseWrappingPolicy
  );
}

/** The wrapping token that a request means: the one in its body, else the one it was sent with. */
function meant(
  core: Core,
  request: VaultRequest,
): { token: Token; thirdParty: boolean } | undefined {
  const given = request.data?.["token"];
  const thirdParty = typeof given === "string" && given !== "";
  const token = core.tokens.find(thirdParty ? given : request.token, true);
  return token === undefined ? undefined : { token, thirdParty };
}

/** Takes the use that opening costs when it isn't the caller's own token that is opened. */
function spend(core: Core, token: Token): void {
  if (token.numUses < 0)
    throw failed(
      "error decrementing wrapping token's use-count: invalid token entry provided for use count decrementing",
    );
  core.tokens.use(token);
}

function content(token: Token): string {
  const response = token.cubbyhole.get("response")?.["response"];
  if (typeof response !== "string")
    throw refuse(
      "no information found; wrapping token may be from a previous Vault version",
      500,
    );
  return response;
}

/** sys/wrapping/unwrap */
export function unwrap(core: Core, request: VaultRequest): Reply | undefined {
  const found = meant(core, request);
  if (found === undefined) return undefined;
  const { token, thirdParty } = found;
  try {
    if (thirdParty) spend(core, token);
    const body = content(token);
    return { raw: ownStatus(body) ?? { status: 200, body } };
  } finally {
    if (thirdParty) core.tokens.revokeOrphan(token);
  }
}

function ownStatus(body: string): { status: number; body: string } | undefined {
  const parsed: unknown = JSON.parse(body);
  const data: Json = isObject(parsed) ? (parsed["data"] ?? null) : null;
  if (!isObject(data)) return undefined;
  const status = data["http_status_code"];
  const raw = data["http_raw_body"];
  if (typeof status !== "number" || typeof raw !== "string") return undefined;
  return { status, body: Buffer.from(raw, "base64").toString() };
}

/** sys/wrapping/lookup; it costs no use and needs no token. */
export function lookupWrapping(
  core: Core,
  request: VaultRequest,
): Reply | undefined {
  const found = meant(core, request);
  if (found === undefined) return undefined;
  const info = wrapInfo(found.token);
  return {
    data: {
      creation_path: info.path,
      creation_time: info.time,
      creation_ttl: info.ttl / 1000,
    },
  };
}

/** sys/wrapping/rewrap: the same answer behind a new token, for as long as the first time. */
export function rewrap(core: Core, request: VaultRequest): Reply | undefined {
  const found = meant(core, request);
  if (found === undefined) return undefined;
  const { token, thirdParty } = found;
  try {
    if (thirdParty) spend(core, token);
    const { ttl, path } = wrapInfo(token);
    return { rewrap: { ttl, path, response: content(token) } };
  } finally {
    if (thirdParty) core.tokens.revokeOrphan(token);
  }
}

function wrapInfo(token: Token): { ttl: number; time: string; path: string } {
  const info = token.cubbyhole.get("wrapinfo");
  const ttl = info?.["creation_ttl"];
  const time = info?.["creation_time"];
  const path = info?.["creation_path"];
  if (
    typeof ttl !== "number" ||
    typeof time !== "string" ||
    typeof path !== "string"
  )
    throw refuse(
      "no information found; wrapping token may be from a previous Vault version",
    );
  return { ttl: ttl / 1e6, time, path };
}
