// A small strict Vault for the tests of the real process: it refuses what Vault refuses (a wrapping token in header and
// body, a second use, an unknown token), remembers every request, and lets a test put its own answer to any path.

import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

/** What a test may answer instead; `undefined` leaves it to the fake. */
type Override = (
  request: Seen,
  response: ServerResponse,
) => "answered" | undefined;

/** One request as it came. */
export interface Seen {
  readonly method: string;
  /** Below /v1/. */
  readonly path: string;
  readonly token: string | undefined;
  readonly namespace: string | undefined;
  readonly body: string;
}

interface Wrapped {
  readonly path: string;
  readonly ttl: number;
  readonly time: string;
  readonly client: string;
  readonly accessor: string;
}

/** Vault over HTTP, or over HTTPS with a certificate. */
export class FakeVault {
  readonly requests: Seen[] = [];
  readonly wrapped = new Map<string, Wrapped>();
  /** Tokens that may read, with their accessors. */
  readonly tokens = new Map<string, string>();
  /** Logical path to keys: in `secret/` (KV 2) or `kv1/` (KV 1). */
  readonly secrets = new Map<string, unknown>();
  renewable = true;
  readonly #overrides = new Map<string, Override>();
  readonly #server;
  readonly #scheme: string;

  constructor(tls?: { key: string; cert: string }) {
    const handle = (request: IncomingMessage, response: ServerResponse) =>
      void this.#handle(request, response);
    this.#server =
      tls === undefined ? createServer(handle) : createTlsServer(tls, handle);
    this.#scheme = tls === undefined ? "http" : "https";
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, "127.0.0.1", resolve);
    });
    return this;
  }

  get addr(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `${this.#scheme}://127.0.0.1:${port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** Wraps a new token. */
  mint(wrapping: string, facts: Partial<Wrapped> = {}): Wrapped {
    const wrapped = {
      path: "auth/token/create/vaultbuddy-web",
      ttl: 60,
      time: new Date().toISOString().replace("Z", "123456Z"),
      client: `hvs.client-of-${wrapping}`,
      accessor: `accessor-of-${wrapping}`,
      ...facts,
    };
    this.wrapped.set(wrapping, wrapped);
    return wrapped;
  }

  /** Answers a path (or everything that begins with it, when it ends with `*`) in a test's own way. */
  override(path: string, answer: Override): void {
    this.#overrides.set(path, answer);
  }

  paths(): string[] {
    return this.requests.map(({ path }) => path);
  }

  async #handle(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    let body = "";
    for await (const chunk of request) {
      body += String(chunk);
    }
    const seen: Seen = {
      method: request.method ?? "",
      path: (request.url ?? "").replace(/^\/v1\//, ""),
      token: header(request, "x-vault-token"),
      namespace: header(request, "x-vault-namespace"),
      body,
    };
    this.requests.push(seen);
    for (const [path, override] of this.#overrides) {
      const fits = path.endsWith("*")
        ? seen.path.startsWith(path.slice(0, -1))
        : seen.path === path;
      if (fits && override(seen, response) === "answered") {
        return;
      }
    }
    const [status, answer] = this.#answer(seen);
    respond(response, status, answer);
  }

  #answer(seen: Seen): [number, unknown] {
    switch (seen.path) {
      case "sys/wrapping/lookup":
        return this.#lookup(seen);
      case "sys/wrapping/unwrap":
        return this.#unwrap(seen);
      default:
    }
    if (seen.token === undefined || !this.tokens.has(seen.token)) {
      return [403, { errors: ["permission denied"] }];
    }
    if (seen.path === "auth/token/revoke-self") {
      this.tokens.delete(seen.token);
      return [204, undefined];
    }
    if (seen.path === "auth/token/renew-self") {
      const { increment } = JSON.parse(seen.body) as { increment: number };
      return this.renewable
        ? [200, { auth: { lease_duration: increment } }]
        : [400, { errors: ["lease is not renewable"] }];
    }
    return this.#read(seen.path);
  }

  #lookup({ token, body }: Seen): [number, unknown] {
    const asked = (JSON.parse(body) as { token: string }).token;
    const found = this.wrapped.get(asked);
    if (token !== undefined || found === undefined) {
      return SPENT;
    }
    const { path, ttl, time } = found;
    return [
      200,
      {
        data: { creation_path: path, creation_ttl: ttl, creation_time: time },
      },
    ];
  }

  #unwrap({ token = "", body }: Seen): [number, unknown] {
    const found = this.wrapped.get(token);
    this.wrapped.delete(token);
    if (found === undefined || body !== "") {
      return SPENT;
    }
    this.tokens.set(found.client, found.accessor);
    return [
      200,
      {
        auth: {
          client_token: found.client,
          accessor: found.accessor,
          renewable: true,
          lease_duration: 90,
          policies: ["web"],
        },
      },
    ];
  }

  #read(path: string): [number, unknown] {
    const mount = /^sys\/internal\/ui\/mounts\/(secret|kv1)\//.exec(path);
    if (mount !== null) {
      const version = mount[1] === "secret" ? "2" : "1";
      return [
        200,
        { data: { type: "kv", path: `${mount[1]}/`, options: { version } } },
      ];
    }
    const versioned = path.startsWith("secret/data/");
    const data = this.secrets.get(path.replace(/^secret\/data\//, "secret/"));
    if (data === undefined || (path.startsWith("secret/") && !versioned)) {
      return [404, { errors: [] }];
    }
    return [
      200,
      { lease_id: "", data: versioned ? { data, metadata: {} } : data },
    ];
  }
}

const SPENT: [number, unknown] = [
  400,
  { errors: ["wrapping token is not valid or does not exist"] },
];

/** Writes an answer as Vault does. */
export function respond(
  response: ServerResponse,
  status: number,
  answer: unknown,
): "answered" {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(answer === undefined ? undefined : JSON.stringify(answer));
  return "answered";
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join() : value;
}
