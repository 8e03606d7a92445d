// Vault's stand-in, an HTTP listener that takes LIST, speaks TLS when it has a certificate, and can be stopped at once
// with all its connections.

import { createServer as createHttpServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createSocketServer, isIPv6 } from "node:net";
import type { Server, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { FilteredConnection } from "./methods.ts";

export interface Listening {
  /** http://host:port, or https:// with a certificate. */
  readonly addr: string;
  close(): Promise<void>;
}

export interface ListenOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly tls?: { readonly key: string; readonly cert: string } | undefined;
}

export async function openListener(
  { host, port, tls }: ListenOptions,
  run: (incoming: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<Listening> {
  const http = createHttpServer((incoming, response) => {
    // A broken exchange ends its connection; it must not end the server.
    run(incoming, response).catch(() => incoming.socket.destroy());
  });
  const accept = (socket: Socket): void => {
    http.emit("connection", new FilteredConnection(socket));
  };
  const server =
    tls === undefined
      ? createSocketServer(accept)
      : createTlsServer({ ...tls }, accept);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // Before the handshake of TLS nobody else listens for errors.
    socket.on("error", () => socket.destroy());
  });
  await bind(server, host, port);
  return {
    addr: `${tls === undefined ? "http" : "https"}://${nameOf(server)}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

async function bind(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}

function nameOf(server: Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === "string")
    throw new Error("the server has no address");
  const name = isIPv6(bound.address) ? `[${bound.address}]` : bound.address;
  return `${name}:${bound.port}`;
}
