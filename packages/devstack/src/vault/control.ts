// Vault's stand-in, its remote control: a second, separate HTTP surface over which a story in another process sets
// faults, the mode and the clock and reads the audit. It is no part of Vault's API and off unless asked for.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Audit } from "./audit.ts";
import type { Faults } from "./faults.ts";
import { parseFaultRule } from "./faults.ts";
import { isObject } from "./json.ts";
import { modes } from "./seal.ts";
import type { Seal } from "./seal.ts";

export interface Controlled {
  readonly audit: Audit;
  readonly faults: Faults;
  readonly seal: Seal;
  /** Moves the server's clock forward by so many milliseconds. */
  readonly advance: (ms: number) => void;
}

const bodyLimit = 1024 * 1024;

/**
 * GET /audit, DELETE /audit; GET, PUT (a list of rules), POST (one rule), DELETE /faults; PUT /mode `{"mode"}`;
 * POST /clock `{"advance": ms}`; PUT /sealed `{"sealed"}`. Anything wrong is a 400 with `{"error"}`.
 */
export async function control(
  controlled: Controlled,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    const bytes: unknown = chunk;
    if (!Buffer.isBuffer(bytes)) continue;
    size += bytes.length;
    if (size <= bodyLimit) chunks.push(bytes);
  }
  try {
    if (size > bodyLimit) throw new Error("the body is too large");
    const text = Buffer.concat(chunks).toString();
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    const shown = obey(
      controlled,
      `${incoming.method ?? ""} ${incoming.url ?? ""}`,
      body,
    );
    response.statusCode = shown === undefined ? 204 : 200;
    response.setHeader("Content-Type", "application/json");
    response.end(shown === undefined ? undefined : JSON.stringify(shown));
  } catch (error) {
    response.statusCode = 400;
    response.setHeader("Content-Type", "application/json");
    response.end(
      JSON.stringify({ error: error instanceof Error ? error.message : "" }),
    );
  }
}

function obey(
  { audit, faults, seal, advance }: Controlled,
  order: string,
  body: unknown,
): unknown {
  switch (order) {
    case "GET /audit":
      return audit.entries;
    case "DELETE /audit":
      audit.clear();
      return undefined;
    case "GET /faults":
      return faults.rules;
    case "PUT /faults": {
      if (!Array.isArray(body)) throw new Error("a list of rules is expected");
      const rules = body.map(parseFaultRule);
      faults.clear();
      for (const rule of rules) faults.add(rule);
      return undefined;
    }
    case "POST /faults":
      faults.add(parseFaultRule(body));
      return undefined;
    case "DELETE /faults":
      faults.clear();
      return undefined;
    case "PUT /mode": {
      const mode = modes.find((known) => known === member(body, "mode"));
      if (mode === undefined)
        throw new Error(`mode is one of ${modes.join(", ")}`);
      seal.mode = mode;
      return undefined;
    }
    case "PUT /sealed": {
      const sealed = member(body, "sealed");
      if (typeof sealed !== "boolean")
        throw new Error("sealed is true or false");
      seal.sealed = sealed;
      return undefined;
    }
    case "POST /clock": {
      const ms = member(body, "advance");
      if (typeof ms !== "number" || !(ms >= 0))
        throw new Error("advance is a number of at least 0");
      advance(ms);
      return undefined;
    }
    default:
      throw new Error("no such order");
  }
}

function member(body: unknown, name: string): unknown {
  return isObject(body) ? body[name] : undefined;
}
