// How the contract asks a Vault: over plain node:http, because the methods (LIST), the broken bodies and the raw
// connections that it needs are more than a client library lets through.

import { Agent, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";

const deadline = 10_000;

export interface Ask {
  readonly method: string;
  /** Below /v1/. */
  readonly path: string;
  readonly token?: string;
  readonly wrap?: string;
  readonly headers?: Record<string, string>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is. */
  readonly raw?: string;
  /** The address to ask from, one of this machine's. */
  readonly from?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
  /** The parsed body; null when there is none, undefined when it is no JSON. */
  readonly json: unknown;
}

/** Sends one request and reads the whole answer. */
export async function ask(addr: string, wanted: Ask): Promise<Answer> {
  const payload =
    wanted.raw ??
    (wanted.body === undefined ? undefined : JSON.stringify(wanted.body));
  const send = addr.startsWith("https:") ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const outgoing = send(
      `${addr}/v1/${wanted.path}`,
      {
        method: wanted.method,
        agent: addr.startsWith("https:") ? undefined : connections,
        localAddress: wanted.from,
        signal: AbortSignal.timeout(deadline),
        headers: {
          ...(wanted.token !== undefined && { "X-Vault-Token": wanted.token }),
          ...(wanted.wrap !== undefined && {
            "X-Vault-Wrap-TTL": wanted.wrap,
          }),
          ...(payload !== undefined && {
            "Content-Length": String(Buffer.byteLength(payload)),
          }),
          ...wanted.headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: parse(text),
          });
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(payload);
  });
}

const connections = new Agent({ keepAlive: true, maxSockets: 4 });

function parse(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The value at a dotted path, undefined when something on the way is missing. */
export function at(value: unknown, path: string): unknown {
  let found: unknown = value;
  for (const key of path.split("."))
    found =
      typeof found === "object" && found !== null
        ? (found as Record<string, unknown>)[key]
        : undefined;
  return found;
}
