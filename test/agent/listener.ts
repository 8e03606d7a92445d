// A broker that only listens: it keeps every notice with the moment of its arrival and says that the token is delivered.

import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

/** What an agent says of a container. */
export interface Heard {
  readonly taskArn: string;
  readonly cluster: string;
  readonly containerName: string;
  readonly containerId: string;
}

/** A listening broker. */
export class Listener {
  readonly notices: Heard[] = [];
  readonly #server: Server;
  readonly #waiting = new Set<() => void>();

  static async open(): Promise<Listener> {
    const listener = new Listener();
    await new Promise<void>((resolve) => {
      listener.#server.listen(0, "127.0.0.1", resolve);
    });
    return listener;
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      let body = "";
      request
        .setEncoding("utf8")
        .on("data", (chunk: string) => (body += chunk))
        .on("end", () => {
          // The hint that a container has ended goes to another path.
          if (request.url === "/v1/notify") {
            this.#take(body);
          }
          response.writeHead(200, { "content-type": "application/json" });
          response.end('{"outcome":"delivered","deliveryId":"d-1"}');
        });
    });
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** How often a container was noticed. */
  times(id: string): number {
    return this.notices.filter(({ containerId }) => containerId === id).length;
  }

  /** Those of these that were not noticed yet. */
  missing(ids: readonly string[]): string[] {
    const heard = new Set(this.notices.map(({ containerId }) => containerId));
    return ids.filter((id) => !heard.has(id));
  }

  /** Resolves when `ready` holds after some notice; after `ms` too, so that the story's own expectation tells what lacks. */
  async until(ready: () => boolean, ms = 30_000): Promise<void> {
    const end = performance.now() + ms;
    while (!ready() && performance.now() < end) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, end - performance.now());
        this.#waiting.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(body: string): void {
    this.notices.push(JSON.parse(body) as Heard);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) {
      wake();
    }
  }
}
