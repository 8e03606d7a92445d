// The HTTP side of the engine: versioned paths, a table of routes, JSON in and out, and faults as Docker writes them.

import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { ApiFault } from "./fault.ts";
import { type Json, object } from "./json.ts";

export const apiVersion = "1.41";
const oldestVersion = "1.12";
const engineVersion = "20.10.0-embedded";
const mostJsonBytes = 4 * 1_048_576;

/** What every answer of the daemon carries. */
const standing = {
  "Api-Version": apiVersion,
  "Docker-Experimental": "false",
  Ostype: "linux",
  Server: `Docker/${engineVersion} (linux)`,
};

/** One request. */
export class Ask {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** What the route's pattern caught, decoded. */
  readonly params: readonly string[];
  /** Aborted when the client goes. */
  readonly gone: AbortSignal;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    query: URLSearchParams,
    params: readonly string[],
  ) {
    this.request = request;
    this.response = response;
    this.query = query;
    this.params = params;
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    this.gone = gone.signal;
  }

  /** The first thing the pattern caught. */
  get name(): string {
    return this.params[0] ?? "";
  }

  /** As Go's daemon reads a flag: absent, empty, 0, no, false and none are false. */
  flag(name: string): boolean {
    const value = (this.query.get(name) ?? "").trim().toLowerCase();
    return !["", "0", "no", "false", "none"].includes(value);
  }

  integer(name: string): number | undefined {
    const value = this.query.get(name);
    if (value === null || value === "") return undefined;
    if (!/^-?\d{1,9}$/.test(value))
      throw new ApiFault(
        500,
        `strconv.Atoi: parsing "${value.slice(0, 40)}": invalid syntax`,
      );
    return Number(value);
  }

  /** The body, which must be JSON and say so. */
  async json(): Promise<Json> {
    const type = this.request.headers["content-type"] ?? "";
    if (type.split(";")[0]?.trim() !== "application/json")
      throw new ApiFault(
        400,
        `Content-Type specified (${type.slice(0, 100)}) must be 'application/json'`,
      );
    const bytes = await read(this.request);
    try {
      return object(JSON.parse(bytes.toString("utf8")), "the body");
    } catch (error) {
      if (error instanceof ApiFault) throw error;
      throw new ApiFault(500, "invalid JSON in the request's body");
    }
  }

  reply(status: number, body?: unknown): void {
    const text = body === undefined ? undefined : `${JSON.stringify(body)}\n`;
    this.response.writeHead(status, {
      ...standing,
      ...(text !== undefined && {
        "Content-Type": "application/json",
        "Content-Length": Buffer.byteLength(text),
      }),
    });
    this.response.end(text);
  }

  /** Begins an answer whose end is not known; its header is sent at once. */
  stream(type?: string): ServerResponse {
    this.response.writeHead(200, {
      ...standing,
      ...(type !== undefined && { "Content-Type": type }),
    });
    this.response.flushHeaders();
    return this.response;
  }
}

export { engineVersion };

export interface Route {
  readonly method: string;
  /** Against the path without its version. */
  readonly path: RegExp;
  readonly answer: (ask: Ask) => Promise<void> | void;
}

/** A server for these routes that does not listen yet. */
export function apiServer(routes: readonly Route[]): Server {
  const server = createServer((request, response) => {
    void handle(routes, request, response);
  });
  // An event stream and a wait stand for hours.
  server.requestTimeout = 0;
  server.keepAliveTimeout = 60_000;
  return server;
}

async function handle(
  routes: readonly Route[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const url = new URL(request.url ?? "/", "http://engine");
    const [, version, path = ""] =
      /^(?:\/v(\d+\.\d+))?(\/.*)$/.exec(url.pathname) ?? [];
    for (const route of routes) {
      const found = route.path.exec(path);
      if (found === null || route.method !== request.method) continue;
      if (version !== undefined) checkVersion(version);
      const params = found.slice(1).map((part) => decodeURIComponent(part));
      const ask = new Ask(request, response, url.searchParams, params);
      await route.answer(ask);
      return;
    }
    throw elsewhere(request.method ?? "", path);
  } catch (error) {
    answerFault(request, response, error);
  }
}

function checkVersion(version: string): void {
  const minor = (text: string): number => Number(text.split(".")[1]);
  const major = Number(version.split(".")[0]);
  if (major > 1 || minor(version) > minor(apiVersion))
    throw new ApiFault(
      400,
      `client version ${version} is too new. Maximum supported API version is ${apiVersion}`,
    );
  if (major < 1 || minor(version) < minor(oldestVersion))
    throw new ApiFault(
      400,
      `client version ${version} is too old. Minimum supported API version is ${oldestVersion}, please upgrade your client to a newer version`,
    );
}

/** What Docker has and this engine hasn't is told apart from what nobody has. */
function elsewhere(method: string, path: string): ApiFault {
  const docker =
    /^\/(auth|build|commit|configs|containers|distribution|exec|grpc|images|networks|nodes|plugins|secrets|services|session|swarm|system|tasks|volumes)(\/|$)/;
  return docker.test(path)
    ? new ApiFault(
        501,
        `the embedded engine does not do ${method} ${path.slice(0, 100)}: use Docker`,
      )
    : new ApiFault(404, "page not found");
}

function answerFault(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
): void {
  const fault =
    error instanceof ApiFault
      ? error
      : new ApiFault(500, error instanceof Error ? error.message : "failed");
  // What is not wanted is still read: an answer to somebody who is writing is lost.
  request.resume();
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  if (fault.status === 304) {
    response.writeHead(304, standing).end();
    return;
  }
  const text = `${JSON.stringify({ message: fault.message })}\n`;
  response.writeHead(fault.status, {
    ...standing,
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
  });
  response.end(text);
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > mostJsonBytes)
      throw new ApiFault(413, "http: request body too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
