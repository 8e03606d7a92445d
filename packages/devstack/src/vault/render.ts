// Vault's stand-in, an answer as text: the one envelope that Vault puts everything in, its errors, and the few paths
// under sys/ that show their data a second time at the top.

import type { AuthReply, Reply, VaultRequest } from "./backend.ts";
import type { Outcome } from "./core.ts";
import { wholeSeconds } from "./duration.ts";
import { sorted } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";
import type { WrapInfo } from "./wrapping.ts";

export interface Rendered {
  readonly status: number;
  /** Undefined for an answer without a body. */
  readonly body: string | undefined;
}

const twiceShown = [
  "sys/audit",
  "sys/audit/",
  "sys/audit-hash/",
  "sys/auth",
  "sys/auth/",
  "sys/config/cors",
  "sys/config/auditing/request-headers",
  "sys/config/auditing/request-headers/",
  "sys/capabilities",
  "sys/capabilities-accessor",
  "sys/capabilities-self",
  "sys/key-status",
  "sys/mounts",
  "sys/mounts/",
  "sys/policy",
  "sys/policy/",
  "sys/remount",
  "sys/rotate",
  "sys/wrapping/wrap",
];

export function renderErrors(
  status: number,
  errors: readonly string[],
): Rendered {
  return { status, body: `${JSON.stringify({ errors })}\n` };
}

export function render(request: VaultRequest, outcome: Outcome): Rendered {
  if (outcome.wrapInfo !== undefined)
    return {
      status: 200,
      body: `${JSON.stringify(wrapped(outcome.wrapInfo))}\n`,
    };
  const { reply } = outcome;
  if (reply === undefined)
    return request.operation === "read" || request.operation === "list"
      ? renderErrors(404, [])
      : { status: 204, body: undefined };
  if (reply.raw !== undefined) return reply.raw;
  if (
    reply.status === undefined &&
    request.operation === "list" &&
    isEmptyList(reply)
  )
    return renderErrors(404, []);
  return {
    status: reply.status ?? 200,
    body: bodyOf(request, reply, showsTwice(request.path)),
  };
}

function showsTwice(path: string): boolean {
  return twiceShown.some((known) =>
    known.endsWith("/") ? path.startsWith(known) : path === known,
  );
}

function isEmptyList(reply: Reply): boolean {
  const data = reply.data ?? {};
  const keys = data["keys"];
  if (Array.isArray(keys)) return keys.length === 0;
  return Object.keys(data).length === 0 && (reply.warnings ?? []).length === 0;
}

/** The envelope with the reply in it, as one line of text. */
export function bodyOf(
  request: VaultRequest,
  reply: Reply,
  twice = false,
): string {
  const data = reply.data === undefined ? null : sorted(reply.data);
  const envelope: JsonObject = {
    request_id: request.id,
    lease_id: reply.leased?.id ?? "",
    renewable: reply.leased?.terms.renewable ?? false,
    lease_duration: wholeSeconds(reply.leased?.ttl ?? reply.lease ?? 0),
    data,
    wrap_info: null,
    warnings:
      reply.warnings === undefined || reply.warnings.length === 0
        ? null
        : reply.warnings,
    auth: reply.auth === undefined ? null : authOf(reply.auth),
  };
  const top = twice ? (reply.data ?? {}) : {};
  return `${JSON.stringify({ ...(sorted(top) as JsonObject), ...envelope })}\n`;
}

function authOf({ token, metadata, hideToken }: AuthReply): Json {
  return {
    client_token: hideToken === true ? "" : token.id,
    accessor: token.accessor,
    policies: [...token.policies],
    token_policies: [...token.policies],
    metadata: metadata === null ? null : sorted(metadata),
    lease_duration: wholeSeconds(token.lease.ttl),
    renewable: token.renewable,
    entity_id: token.entityId,
    token_type: token.type,
    orphan: token.parent === "",
  };
}

function wrapped(info: WrapInfo): JsonObject {
  return {
    request_id: "",
    lease_id: "",
    renewable: false,
    lease_duration: 0,
    data: null,
    wrap_info: {
      token: info.token,
      accessor: info.accessor,
      ttl: wholeSeconds(info.ttl),
      creation_time: new Date(info.creationTime).toISOString(),
      creation_path: info.creationPath,
      ...(info.wrappedAccessor !== undefined && {
        wrapped_accessor: info.wrappedAccessor,
      }),
    },
    warnings: null,
    auth: null,
  };
}
