// Vault's stand-in, its HTTP listener: bytes become a request of the core, the core's answer becomes bytes, with the
// statuses and headers of Vault's own listener. Faults set by a story strike here, around the work.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Audit, AuditEntry } from "./audit.ts";
import type { Outside } from "./backend.ts";
import type { Core } from "./core.ts";
import { Refusal } from "./fault.ts";
import type { FaultRule, Faults } from "./faults.ts";
import {
  decodePath,
  readBody,
  readRequest,
  requestFor,
  splitOnce,
  tokenOf,
} from "./http-request.ts";
import type { Exchange } from "./http-request.ts";
import { listMethod } from "./methods.ts";
import { render, renderErrors } from "./render.ts";
import type { Rendered } from "./render.ts";
import type { Seal } from "./seal.ts";

export interface Listener {
  readonly core: Core;
  readonly seal: Seal;
  readonly audit: Audit;
  readonly faults: Faults;
  /** Calls back once the time is over; a server that closes forgets about it. */
  readonly later: (ms: number, then: () => void) => void;
}

/** Serves one HTTP exchange. */
export async function serve(
  listener: Listener,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const method =
    incoming.method === listMethod ? "LIST" : (incoming.method ?? "");
  const [rawPath, rawQuery] = splitOnce(incoming.url ?? "", "?");
  const path = decodePath(rawPath);
  const rule = listener.faults.take(method, path?.replace(/^\/v1\//, "") ?? "");
  const unanswered =
    rule?.kind === "hang" || (rule?.kind === "drop" && rule.when === "before");
  if (unanswered) {
    listener.audit.add({
      ...entryFor(listener, method, path, rule),
      status: 0,
    });
    if (rule.kind === "drop") incoming.socket.destroy();
    return;
  }
  const text = await readBody(incoming);
  const query = new URLSearchParams(rawQuery);
  const asked = { incoming, method, path, query, text };
  const outside = await askOutside(listener, asked);
  const done = answer(listener, { ...asked, outside }, rule);
  if (rule?.kind === "drop") {
    incoming.socket.destroy();
    return;
  }
  const finish = (): void =>
    send(response, method === "HEAD", done, text === undefined, rule);
  if (rule?.kind === "delay") listener.later(rule.ms, finish);
  else finish();
}

/** Before the work itself, which is done in one go. What is wrong with the request is for the work to find. */
async function askOutside(
  { core, seal }: Listener,
  exchange: Exchange,
): Promise<Outside | undefined> {
  const writes = exchange.method === "POST" || exchange.method === "PUT";
  const name = exchange.path?.replace(/^\/v1\//, "") ?? "";
  const ask = writes && !seal.sealed ? core.asker(name) : undefined;
  if (ask === undefined) return undefined;
  try {
    return await ask(readRequest(exchange, name).data ?? {});
  } catch {
    return undefined;
  }
}

function answer(
  listener: Listener,
  exchange: Exchange,
  rule: FaultRule | undefined,
): Rendered {
  const { core, audit } = listener;
  const { incoming, method, path } = exchange;
  const entry = entryFor(listener, method, path, rule);
  if (rule?.kind === "answer") {
    audit.add({ ...entry, status: rule.status });
    return { status: rule.status, body: rule.body };
  }
  const caller = core.tokens.find(tokenOf(incoming), true)?.accessor;
  const notes: Notes = {};
  const rendered = work(listener, exchange, notes);
  audit.add({
    ...entry,
    status: rendered.status,
    ...(caller !== undefined && { accessorOfCaller: caller }),
    ...notes,
  });
  return rendered;
}

function entryFor(
  { core }: Listener,
  method: string,
  path: string | undefined,
  rule: FaultRule | undefined,
): Omit<AuditEntry, "status"> {
  return {
    time: core.now(),
    method,
    path: withoutTokens(path?.replace(/^\/v1\//, "") ?? ""),
    ...(rule !== undefined && { fault: rule.kind }),
  };
}

/** Some clients put a token into the URL, as Vault allowed once; the audit must not keep it. */
function withoutTokens(path: string): string {
  return path.replaceAll(/(^|\/)[sb]\.[\w-]{20,}/g, "$1<token>");
}

/** What the work leaves for the audit. */
interface Notes {
  tokenAccessorCreated?: string;
  wrappingAccessorCreated?: string;
  wrapTtl?: number;
}

function work(listener: Listener, exchange: Exchange, notes: Notes): Rendered {
  const { path } = exchange;
  if (path === undefined) return renderErrors(400, []);
  if (!path.startsWith("/v1/")) return renderErrors(404, []);
  const name = path.slice("/v1/".length);
  try {
    return (
      beforeMounts(listener, exchange, name) ??
      throughCore(listener, exchange, name, notes)
    );
  } catch (error) {
    if (!(error instanceof Refusal))
      return renderErrors(500, ["internal error"]);
    return renderErrors(
      error.status,
      error.message === "" ? [] : [error.message],
    );
  }
}

/** The paths that Vault's listener answers itself, sealed or not. */
function beforeMounts(
  { seal, core }: Listener,
  { incoming, method, query, text }: Exchange,
  name: string,
): Rendered | undefined {
  const writes = method === "PUT" || method === "POST";
  const notAllowed = renderErrors(405, []);
  switch (name) {
    case "sys/health":
      return method === "GET" || method === "HEAD"
        ? seal.health(query)
        : notAllowed;
    case "sys/seal-status":
      return method === "GET" ? seal.status() : notAllowed;
    case "sys/leader":
      return method === "GET" ? seal.leader() : notAllowed;
    case "sys/init":
      return method === "GET" || writes
        ? seal.initialisation(method)
        : notAllowed;
    case "sys/unseal":
      return writes ? seal.open(text ?? "") : notAllowed;
    case "sys/seal":
      return writes
        ? seal.close(core, {
            ...requestFor(incoming, "update", name, undefined),
            wrapTtl: undefined,
          })
        : notAllowed;
    default:
      return undefined;
  }
}

function throughCore(
  { core, seal }: Listener,
  exchange: Exchange,
  name: string,
  notes: Notes,
): Rendered {
  const request = {
    ...readRequest(exchange, name),
    outside: exchange.outside,
  };
  const down = seal.refusal(request);
  if (down !== undefined) return down;
  if (request.wrapTtl !== undefined) notes.wrapTtl = request.wrapTtl;
  const outcome = core.handle(request);
  const created =
    outcome.wrapInfo?.wrappedAccessor ?? outcome.reply?.auth?.token.accessor;
  if (created !== undefined) notes.tokenAccessorCreated = created;
  if (outcome.wrapInfo !== undefined)
    notes.wrappingAccessorCreated = outcome.wrapInfo.accessor;
  return render(request, outcome);
}

function send(
  response: ServerResponse,
  head: boolean,
  { status, body }: Rendered,
  close: boolean,
  rule: FaultRule | undefined,
): void {
  const type = rule?.kind === "answer" ? rule.contentType : "application/json";
  response.setHeader("Cache-Control", "no-store");
  response.setHeader("Content-Type", type ?? "text/html; charset=utf-8");
  if (close) response.setHeader("Connection", "close");
  response.statusCode = status;
  if (body === undefined || head) {
    response.end();
    return;
  }
  const bytes = Buffer.from(
    rule?.kind === "oversize"
      ? `{"padding":"${"x".repeat(rule.bytes)}"}`
      : body,
  );
  if (rule?.kind === "truncate") {
    response.setHeader("Content-Length", bytes.length);
    response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () =>
      response.destroy(),
    );
    return;
  }
  const shown =
    rule?.kind === "half"
      ? bytes.subarray(0, Math.floor(bytes.length / 2))
      : bytes;
  response.setHeader("Content-Length", shown.length);
  response.end(shown);
}
