// Vault's stand-in, a request of HTTP as the core takes it: operation, path, data, token and wrapping TTL, read from the
// method, the URL, the body and the headers as Vault's listener reads them.

import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Outside, VaultRequest } from "./backend.ts";
import { parseSeconds } from "./duration.ts";
import { Refusal } from "./fault.ts";
import { parseBool } from "./fields.ts";
import { decodeBody } from "./json.ts";
import type { Json, JsonObject } from "./json.ts";

/** The most that Vault's listener reads of a body. */
export const bodyLimit = 32 * 1024 * 1024;

/** One exchange, with its body read. */
export interface Exchange {
  readonly incoming: IncomingMessage;
  readonly method: string;
  readonly path: string | undefined;
  readonly query: URLSearchParams;
  /** Undefined when the body was larger than Vault reads. */
  readonly text: string | undefined;
  /** What another server answered for it, where its mount asks one. */
  readonly outside?: Outside | undefined;
}

export function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

export function decodePath(raw: string): string | undefined {
  try {
    return decodeURIComponent(raw);
  } catch {
    return undefined;
  }
}

export async function readBody(
  incoming: IncomingMessage,
): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    const bytes: unknown = chunk;
    if (!Buffer.isBuffer(bytes)) continue;
    size += bytes.length;
    if (size <= bodyLimit) chunks.push(bytes);
  }
  return size > bodyLimit ? undefined : Buffer.concat(chunks).toString();
}

export function readRequest(exchange: Exchange, name: string): VaultRequest {
  const { incoming, method, query, text } = exchange;
  switch (method) {
    case "GET": {
      const list = query.get("list") ?? "";
      const wanted = list === "" ? false : parseBool(list);
      if (wanted === undefined) throw new Refusal(400, "", false);
      if (!wanted) return requestFor(incoming, "read", name, queryData(query));
      query.delete("list");
      return requestFor(incoming, "list", slashed(name), queryData(query));
    }
    case "LIST":
      return requestFor(incoming, "list", slashed(name), queryData(query));
    case "DELETE":
      return requestFor(incoming, "delete", name, queryData(query));
    case "POST":
    case "PUT":
      return requestFor(
        incoming,
        "update",
        name,
        bodyData(text, incoming.headers["content-type"] ?? ""),
      );
    default:
      throw new Refusal(405, "", false);
  }
}

function slashed(path: string): string {
  return path.endsWith("/") ? path : `${path}/`;
}

function bodyData(
  text: string | undefined,
  contentType: string,
): JsonObject | undefined {
  if (text === undefined) throw new Refusal(413, "error parsing JSON", false);
  const form =
    /^application\/x-www-form-urlencoded\b/i.test(contentType) &&
    !/^\s*[[{]/.test(text);
  if (form) return queryData(new URLSearchParams(text));
  try {
    return decodeBody(text);
  } catch {
    throw new Refusal(400, "error parsing JSON", false);
  }
}

function queryData(query: URLSearchParams): JsonObject | undefined {
  const data: Record<string, Json> = {};
  for (const name of new Set(query.keys())) {
    const values = query.getAll(name);
    data[name] = values.length === 1 ? (values[0] ?? "") : values;
  }
  return Object.keys(data).length === 0 ? undefined : data;
}

export function requestFor(
  incoming: IncomingMessage,
  operation: VaultRequest["operation"],
  path: string,
  data: JsonObject | undefined,
): VaultRequest {
  return {
    id: randomUUID(),
    operation,
    path,
    data,
    token: tokenOf(incoming),
    wrapTtl: wrapTtlOf(incoming),
    remoteAddress: incoming.socket.remoteAddress ?? "",
  };
}

export function tokenOf(incoming: IncomingMessage): string {
  const own = incoming.headers["x-vault-token"];
  if (typeof own === "string" && own !== "") return own;
  const bearer = /^Bearer (.*)$/s.exec(incoming.headers.authorization ?? "");
  return bearer?.[1]?.trim() ?? "";
}

function wrapTtlOf(incoming: IncomingMessage): number | undefined {
  const text = incoming.headers["x-vault-wrap-ttl"];
  if (typeof text !== "string" || text === "") return undefined;
  let ttl: number;
  try {
    ttl = parseSeconds(text);
  } catch (error) {
    throw new Refusal(
      400,
      `error parsing X-Vault-Wrap-TTL header: ${error instanceof Error ? error.message : ""}`,
      false,
    );
  }
  if (ttl < 0)
    throw new Refusal(
      400,
      "error parsing X-Vault-Wrap-TTL header: requested wrap ttl cannot be negative",
      false,
    );
  return ttl;
}
