// Vault's stand-in, what sits behind a mount: an ordered table of path patterns with a handler for each operation,
// as Vault's plugin framework has it. The order matters: the first pattern that fits decides, for good or ill.

import type { Fields, Schema } from "./fields.ts";
import { FieldFault, Fields as FieldSet } from "./fields.ts";
import { failed, refuse } from "./fault.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Lease, LeaseTerms } from "./leases.ts";
import type { Mount } from "./mounts.ts";
import type { Token } from "./token.ts";

export type Operation = "create" | "read" | "update" | "delete" | "list";

/** One request as the core sees it, after HTTP. */
export interface VaultRequest {
  readonly id: string;
  operation: Operation;
  /** The path after /v1/; a list's ends in "/". */
  readonly path: string;
  readonly data: JsonObject | undefined;
  /** The caller's token, "" for none. */
  readonly token: string;
  /** Milliseconds; undefined without the header. */
  readonly wrapTtl: number | undefined;
  readonly remoteAddress: string;
  /** What another server answered for this request, where its mount asks one. */
  readonly outside?: Outside | undefined;
}

/** What another server said, or why nothing came. */
export type Outside =
  | { readonly status: number; readonly text: string }
  | { readonly fault: string };

/** What a handler gets: the request, its path inside the mount and its declared fields. */
export interface Call {
  readonly request: VaultRequest;
  readonly operation: Operation;
  readonly path: string;
  readonly mount: Mount;
  readonly fields: Fields;
}

/** A login or a new token, before the core has made one of it. TTLs in milliseconds. */
export interface AuthReply {
  token: Token;
  readonly metadata: Record<string, string> | null;
  readonly hideToken?: boolean;
}

/** What a login asks the core to make. TTLs in milliseconds. */
export interface LoginReply {
  readonly displayName: string;
  readonly alias: string;
  readonly metadata: Record<string, string>;
  readonly policies: readonly string[];
  readonly noDefaultPolicy: boolean;
  readonly ttl: number;
  readonly maxTtl: number;
  readonly period: number;
  readonly explicitMaxTtl: number;
  readonly numUses: number;
  readonly boundCidrs: readonly string[];
  readonly tokenType: string;
}

export interface Reply {
  readonly data?: JsonObject | null;
  readonly auth?: AuthReply;
  readonly login?: LoginReply;
  /** The lease's length that the answer names without there being one, in milliseconds. */
  readonly lease?: number;
  /** What was made is to be leased to the caller. */
  readonly secret?: LeaseTerms;
  /** The lease that the answer names. */
  readonly leased?: Lease;
  warnings?: string[];
  /** Sent with this status instead of the usual 200. */
  readonly status?: number;
  /** What wrapping is to name as the accessor of what is inside, where that is no token. */
  readonly wrappedAccessor?: string;
  /** A body that is sent as it is. */
  readonly raw?: { readonly status: number; readonly body: string };
  /** What a rewrap carries over from the first wrapping. */
  readonly rewrap?: {
    readonly ttl: number;
    readonly path: string;
    readonly response: string;
  };
}

export type Handler = (call: Call) => Reply | undefined;

export interface Route {
  readonly pattern: RegExp;
  readonly fields?: Schema;
  /** Whether what the path names is there; only paths that can tell have "create" apart from "update". */
  readonly exists?: (call: Call) => boolean;
  readonly operations: Partial<Record<Operation, Handler>>;
}

/** What renewal asks the auth method: the TTLs that its role has now, or undefined when it won't renew. */
type Renewal =
  | { readonly ttl: number; readonly maxTtl: number; readonly period: number }
  | undefined;

export interface Backend {
  readonly routes: readonly Route[];
  /** Paths that need sudo; a closing `*` makes one a prefix. */
  readonly rootPaths?: readonly string[];
  /** Paths that need no token. */
  readonly openPaths?: readonly string[];
  renew?(token: Token): Renewal;
  /** Asks another server what a write's handler will have to know: a handler itself never waits. */
  readonly outside?: (
    path: string,
    data: JsonObject,
  ) => Promise<Outside | undefined>;
}

/** Names as Vault's generic pattern allows them, captured under `group`. */
export function nameGroup(group: string): string {
  return String.raw`(?<${group}>\w(?:[\w.-]+\w|\w)?)`;
}

export function pattern(source: string): RegExp {
  return new RegExp(`^${source}$`, "s");
}

/** The answer to a list: Vault leaves `keys` out when there is none, which makes a 404. */
export function listReply(keys: readonly string[]): Reply {
  return keys.length === 0 ? { data: {} } : { data: { keys: [...keys] } };
}

export function covers(patterns: readonly string[], path: string): boolean {
  return patterns.some((known) =>
    known.endsWith("*") ? path.startsWith(known.slice(0, -1)) : path === known,
  );
}

function route(
  backend: Backend,
  path: string,
): { found: Route; captures: JsonObject } | undefined {
  for (const candidate of backend.routes) {
    const match = candidate.pattern.exec(path);
    if (match === null) continue;
    const captures: Record<string, Json> = {};
    for (const [name, text] of Object.entries(match.groups ?? {}))
      captures[name] = text ?? "";
    return { found: candidate, captures };
  }
  return undefined;
}

function callFor(
  found: Route,
  captures: JsonObject,
  request: VaultRequest,
  mount: Mount,
  path: string,
  prefix: string,
): Call {
  // What the URL names beats a field of the same name in the body.
  const raw = { ...request.data, ...captures };
  const schema = {
    ...Object.fromEntries(
      Object.keys(captures).map((name) => [name, "string" as const]),
    ),
    ...found.fields,
  };
  try {
    const fields = new FieldSet(schema, raw);
    return { request, operation: request.operation, path, mount, fields };
  } catch (error) {
    if (error instanceof FieldFault) throw refuse(prefix + error.message);
    throw error;
  }
}

/** Runs the handler that the mount has for the request; the faults are those of Vault's framework. */
export function dispatch(
  mount: Mount,
  request: VaultRequest,
  path: string,
): Reply | undefined {
  const matched = route(mount.backend, path);
  if (matched === undefined) throw failed("unsupported path", 404);
  const handler = matched.found.operations[request.operation];
  if (handler === undefined) throw failed("unsupported operation", 405);
  return handler(
    callFor(
      matched.found,
      matched.captures,
      request,
      mount,
      path,
      "Field validation failed: ",
    ),
  );
}

/** Whether a write creates: undefined when the path can't tell, which counts as an update. */
export function existence(
  mount: Mount,
  request: VaultRequest,
  path: string,
): boolean | undefined {
  const matched = route(mount.backend, path);
  if (matched?.found.exists === undefined) return undefined;
  return matched.found.exists(
    callFor(matched.found, matched.captures, request, mount, path, ""),
  );
}
