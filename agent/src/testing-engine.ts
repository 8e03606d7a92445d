// A Docker Engine for the tests of the adapter and of the whole process: real HTTP over a real unix socket, answering what
// the test says, also what no Docker should. It keeps what it was asked.

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Answers with a JSON text, or any other. */
export function sends(body: string, status = 200): Handler {
  return (_, response) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(body);
  };
}

export class FakeEngine {
  readonly socketPath: string;
  /** Method and path with query of each request, in order. */
  readonly asked: string[] = [];
  /** Open event streams. */
  readonly streams = new Set<ServerResponse>();
  onPing: Handler = sends("OK");
  onVersion: Handler = sends(
    '{"Version":"20.10.24+dfsg1","ApiVersion":"1.41"}',
  );
  onList: Handler = sends("[]");
  onEvents: Handler = (_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    this.streams.add(response);
    response.on("close", () => this.streams.delete(response));
    this.#opened();
  };
  readonly #directory: string;
  #server: Server | undefined;
  #opened: () => void = () => undefined;

  constructor() {
    this.#directory = mkdtempSync(join(tmpdir(), "agent-engine-"));
    this.socketPath = join(this.#directory, "docker.sock");
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      response.on("error", () => undefined);
      this.asked.push(`${request.method} ${request.url}`);
      this.#route(request)(request, response);
    });
    this.#server = server;
    await new Promise<void>((resolve) => {
      server.listen(this.socketPath, resolve);
    });
  }

  /** Resolves when the next event stream is opened, or at once while one is. */
  async streaming(): Promise<void> {
    if (this.streams.size === 0) {
      await new Promise<void>((resolve) => {
        this.#opened = resolve;
      });
    }
  }

  /** Writes to all event streams. */
  say(text: string | Buffer): void {
    for (const stream of this.streams) {
      stream.write(text);
    }
  }

  /** Cuts all connections, as a Docker that dies does. The socket stays. */
  cut(): void {
    this.#server?.closeAllConnections();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => {
      if (this.#server === undefined) {
        resolve();
      } else {
        this.#server.close(() => {
          resolve();
        });
      }
    });
    this.#server = undefined;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #route(request: IncomingMessage): Handler {
    const path = (request.url ?? "").replace(/\?.*$/, "");
    switch (path) {
      case "/_ping":
        return this.onPing;
      case "/version":
        return this.onVersion;
      case "/events":
        return this.onEvents;
      case "/containers/json":
        return this.onList;
      default:
        return sends('{"message":"page not found"}', 404);
    }
  }
}

/** A line of the event stream as Docker writes it. */
export function eventLine(
  action: string,
  id: string,
  labels: Record<string, string>,
  nano = "1795339155335566008",
): string {
  const attributes = JSON.stringify({ ...labels, image: "web", name: "web-1" });
  return `{"status":"${action}","id":"${id}","from":"web","Type":"container","Action":"${action}","Actor":{"ID":"${id}","Attributes":${attributes}},"scope":"local","time":${nano.slice(0, -9)},"timeNano":${nano}}\n`;
}

/** An element of the list as Docker writes it, with more than the agent reads. */
export function listElement(
  id: string,
  labels: Record<string, string>,
  status = "Up 3 seconds",
): Record<string, unknown> {
  return {
    Id: id,
    Names: ["/web-1"],
    Image: "web",
    Command: "/bin/web",
    Created: 1795339160,
    Ports: [],
    Labels: labels,
    State: "running",
    Status: status,
    HostConfig: { NetworkMode: "default" },
    NetworkSettings: { Networks: {} },
    Mounts: [],
  };
}
