// An Engine API client of the plainest kind: one request, its status, headers and bytes; and the lines of a stream as
// they come. No library stands between the contract and the wire.

import { type IncomingMessage, request } from "node:http";

/** An answer that came whole. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

/** Where an engine listens. */
export class RawEngine {
  readonly #where: { socketPath: string } | { host: string; port: number };

  constructor(dockerHost: string) {
    const url = new URL(dockerHost);
    this.#where =
      url.protocol === "unix:"
        ? { socketPath: url.pathname }
        : { host: url.hostname, port: Number(url.port || "2375") };
  }

  async ask(method: string, path: string, body?: unknown): Promise<RawAnswer> {
    const response = await this.open(method, path, body);
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>)
      chunks.push(chunk);
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text: Buffer.concat(chunks).toString("utf8"),
    };
  }

  async get(path: string): Promise<RawAnswer> {
    return this.ask("GET", path);
  }

  /** The lines of the event stream, the header of which has come. The signal ends it. */
  async events(
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<AsyncGenerator<string>> {
    const path = `/v1.41/events?${new URLSearchParams(query).toString()}`;
    return lines(await this.open("GET", path, undefined, signal));
  }

  open(
    method: string,
    path: string,
    body?: unknown,
    signal: AbortSignal = AbortSignal.timeout(30_000),
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const asking = request(
        {
          ...this.#where,
          method,
          path,
          signal,
          headers:
            body === undefined ? {} : { "content-type": "application/json" },
        },
        resolve,
      );
      asking.on("error", reject);
      asking.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  let rest = "";
  try {
    for await (const chunk of response.setEncoding("utf8")) {
      rest += String(chunk);
      const parts = rest.split("\n");
      rest = parts.pop() ?? "";
      yield* parts.filter((line) => line !== "");
    }
  } catch (error) {
    // The reader's own signal ends the stream; nothing else does within a test.
    if (!(error instanceof Error)) throw error;
  }
}

/** `filters` as the API takes them. */
export function filters(
  values: Readonly<Record<string, readonly string[]>>,
): string {
  return JSON.stringify(values);
}

/** One event as far as the contract looks at it. */
export interface Told {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { ID: string; Attributes: Record<string, string> };
  readonly scope: string;
  readonly time: number;
}

export function told(line: string): Told {
  return JSON.parse(line) as Told;
}
