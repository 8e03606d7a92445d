// A wire between an agent and Docker's socket that can be cut: bytes pass untouched both ways, until all connections are
// torn at once. While it is broken, new ones are torn too.

import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The wire; the agent connects to `dockerHost`. */
export class Cutter {
  readonly dockerHost: string;
  /** How often a standing event stream was cut. */
  cuts = 0;
  broken = false;
  readonly #folder: string;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  /** Connections on which an event stream has begun. */
  readonly #streams = new Set<Socket>();
  #begun: () => void = () => undefined;

  /** Before the engine at this address, `unix://…`. */
  static async open(dockerHost: string): Promise<Cutter> {
    const cutter = new Cutter(dockerHost.replace(/^unix:\/\//, ""));
    await new Promise<void>((resolve) => {
      cutter.#server.listen(
        cutter.dockerHost.replace(/^unix:\/\//, ""),
        resolve,
      );
    });
    return cutter;
  }

  private constructor(socketPath: string) {
    this.#folder = mkdtempSync(join(tmpdir(), "agent-cutter-"));
    this.dockerHost = `unix://${join(this.#folder, "docker.sock")}`;
    this.#server = createServer((near) => {
      if (this.broken) {
        near.destroy();
        return;
      }
      this.#pass(near, connect(socketPath));
    });
  }

  /** Resolves when an event stream stands. */
  async streaming(): Promise<void> {
    while (this.#streams.size === 0) {
      await new Promise<void>((resolve) => {
        this.#begun = resolve;
      });
    }
  }

  /** Tears everything that is open. */
  cut(): void {
    if (this.#streams.size > 0) {
      this.cuts += 1;
    }
    this.#streams.clear();
    for (const socket of this.#open) {
      socket.destroy();
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #pass(near: Socket, far: Socket): void {
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#open.add(one);
      one.on("error", () => undefined);
      one.on("close", () => {
        this.#open.delete(one);
        this.#streams.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
    // The agent opens a connection for each request, so the first bytes say which one it is.
    near.once("data", (bytes) => {
      if (/^GET \S*\/events\b/.test(bytes.toString("latin1"))) {
        far.once("data", () => {
          this.#streams.add(far);
          this.#begun();
        });
      }
    });
  }
}
