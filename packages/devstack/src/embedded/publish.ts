// A published port: a listener at the host's address that passes each connection on to the container's own, as Docker's
// proxy does. It accepts as soon as the container starts, whether or not anybody listens in there, and closes what it
// then can't pass on.

import { connect, createServer, type Server, type Socket } from "node:net";
import { ApiFault } from "./fault.ts";

/** What is published. */
export interface Publication {
  readonly hostIp: string;
  /** 0 is whichever is free. */
  readonly hostPort: number;
  readonly containerPort: number;
  /** The container's address. */
  readonly to: string;
  /** The address from which the container sees it come. */
  readonly from: string;
}

/** A port while it is published. */
export interface Published {
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerPort: number;
  close(): Promise<void>;
}

/** Starts to listen; throws a fault with Docker's words when somebody else has the port. */
export async function publish(
  what: Publication,
  endpoint: string,
): Promise<Published> {
  const sockets = new Set<Socket>();
  const server = createServer(
    { allowHalfOpen: true, pauseOnConnect: true, noDelay: true },
    (socket) => pass(socket, what, sockets),
  );
  await listen(server, what).catch((error: NodeJS.ErrnoException) => {
    const why =
      error.code === "EADDRINUSE"
        ? "port is already allocated"
        : (error.code ?? "failed");
    throw new ApiFault(
      500,
      `driver failed programming external connectivity on endpoint ${endpoint}: Bind for ${what.hostIp}:${what.hostPort} failed: ${why}`,
    );
  });
  const bound = server.address();
  return {
    hostIp: what.hostIp,
    hostPort:
      typeof bound === "object" && bound !== null ? bound.port : what.hostPort,
    containerPort: what.containerPort,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function listen(
  server: Server,
  { hostIp, hostPort }: Publication,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: hostIp, port: hostPort, exclusive: true }, resolve);
  });
}

function pass(client: Socket, what: Publication, sockets: Set<Socket>): void {
  const inner = connect({
    host: what.to,
    port: what.containerPort,
    localAddress: what.from,
    allowHalfOpen: true,
    noDelay: true,
  });
  for (const [one, other] of [
    [client, inner],
    [inner, client],
  ] as const) {
    sockets.add(one);
    // One end that breaks takes the other along; there is nobody else to tell.
    one.on("error", () => other.destroy());
    one.once("close", (broken) => {
      sockets.delete(one);
      if (broken) other.destroy();
    });
  }
  client.pipe(inner);
  inner.pipe(client);
}
