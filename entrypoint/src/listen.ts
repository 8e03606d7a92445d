// Step 2 of the entrypoint: a plain socket, as early as possible. It accepts and holds connections while TLS and HTTP are
// still being loaded, so that the broker's first try finds somebody; who speaks on them is serve.ts's concern.

import { BlockList, createServer, isIPv4 } from "node:net";
import type { Server, Socket } from "node:net";
import type { ListenAddress } from "@vaultbuddy/common";
import { Failure, systemCode } from "./exit.ts";
import type { Log } from "./log.ts";
import type { Network } from "./settings.ts";

/** The most connections at a time. */
export const MOST_SOCKETS = 8;

/** An open port. */
export class Door {
  readonly #server: Server;
  readonly #allowed: BlockList | undefined;
  readonly #log: Log;
  /** Connections in the order they came; true once the other side proved itself or is being answered. */
  readonly #sockets = new Map<Socket, boolean>();
  #serve: ((socket: Socket) => void) | undefined;

  constructor(allowFrom: readonly Network[] | undefined, log: Log) {
    this.#log = log;
    this.#allowed = allowFrom === undefined ? undefined : blockList(allowFrom);
    // Paused, so that not a byte is read before somebody listens to it.
    this.#server = createServer({ pauseOnConnect: true, noDelay: true });
    this.#server.on("connection", (socket) => this.#admit(socket));
  }

  /**
   * Starts to listen; resolves with the port once it does. `bound` is a socket that is bound to that address already:
   * Node loads its resolver for an address, and does without for a descriptor. Throws {@link Failure} `listen`.
   */
  listen(at: ListenAddress, bound?: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error) => {
        reject(
          new Failure(
            "listen",
            `cannot listen on WIS_LISTEN ${at.host}:${at.port} (${systemCode(error)})`,
            { cause: error },
          ),
        );
      });
      const where = bound === undefined ? at : { fd: bound };
      this.#server.listen({ ...where }, () => {
        const address = this.#server.address();
        resolve(
          typeof address === "object" && address !== null
            ? address.port
            : at.port,
        );
      });
    });
  }

  /** Names who speaks on the connections: those already waiting and all that come. */
  serve(speak: (socket: Socket) => void): void {
    this.#serve = speak;
    for (const socket of this.#sockets.keys()) {
      speak(socket);
    }
  }

  /**
   * Keeps a connection from being given up for a newer one. It is found by the other side's address, because the socket
   * that speaks TLS is not the one that was accepted.
   */
  prove({ remoteAddress, remotePort }: Socket): void {
    for (const socket of this.#sockets.keys()) {
      if (
        socket.remoteAddress === remoteAddress &&
        socket.remotePort === remotePort
      ) {
        this.#sockets.set(socket, true);
      }
    }
  }

  /** Stops listening and cuts every connection. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets.keys()) {
      socket.destroy();
    }
  }

  #admit(socket: Socket): void {
    // A reset by the other side is its own affair; without a listener it would be ours.
    socket.on("error", () => undefined);
    const from = socket.remoteAddress;
    if (this.#allowed !== undefined && !contains(this.#allowed, from)) {
      this.#log.debug("dropped a connection from outside WIS_ALLOW_FROM", {
        from,
      });
      socket.destroy();
      return;
    }
    if (this.#sockets.size >= MOST_SOCKETS && !this.#makeRoom()) {
      this.#log.debug("dropped a connection: too many stand", { from });
      socket.destroy();
      return;
    }
    this.#sockets.set(socket, false);
    socket.once("close", () => this.#sockets.delete(socket));
    this.#serve?.(socket);
  }

  /** Gives up the oldest connection that proved nothing: eight silent strangers must not lock the broker out. */
  #makeRoom(): boolean {
    for (const [socket, proven] of this.#sockets) {
      if (!proven) {
        this.#sockets.delete(socket);
        socket.destroy();
        return true;
      }
    }
    return false;
  }
}

function blockList(networks: readonly Network[]): BlockList {
  const list = new BlockList();
  for (const { address, prefix, family } of networks) {
    list.addSubnet(address, prefix, family);
  }
  return list;
}

function contains(list: BlockList, address: string | undefined): boolean {
  if (address === undefined) {
    return false;
  }
  // Listening on an IPv6 address shows IPv4 callers in their mapped form.
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  return list.check(plain, isIPv4(plain) ? "ipv4" : "ipv6");
}
