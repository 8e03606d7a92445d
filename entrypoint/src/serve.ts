// What is spoken at the door: HTTP/1.1, inside TLS 1.3 keyed with the family's key or under a certificate of its own,
// unless plain text was allowed. Bytes become one whole request or nothing here; whether the request is a delivery is
// receive.ts's concern.

import { createServer as createHttpServer, STATUS_CODES } from "node:http";
import type {
  IncomingMessage,
  RequestListener,
  Server,
  ServerOptions,
  ServerResponse,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { ServerOptions as SecureServerOptions } from "node:https";
import type { Socket } from "node:net";
import {
  DELIVERY_BYTES,
  DELIVERY_TYPE,
  derivePsk,
  Refusal,
} from "@vaultbuddy/common";
import type { DeliveryCode, FamilyKey } from "@vaultbuddy/common";
import type { Identity } from "./certificate.ts";
import { systemCode } from "./exit.ts";
import { closed, Guard, REQUEST_TIME } from "./guard.ts";
import type { Ticking } from "./guard.ts";
import type { Door } from "./listen.ts";
import type { Log } from "./log.ts";

/** Request line and headers together, in bytes. */
const HEADER_BYTES = 8 * 1024;

/** An answer, and what is to happen once it is out. */
export interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  /** The same connection may be used again: the same delivery is expected. */
  readonly keepOpen: boolean;
  /** The process ends after this one: the other side is given a moment to fetch it. */
  readonly last: boolean;
  /** Called once: the answer was handed to the system, or there was nobody left to take it. */
  readonly sent: (how: "written" | "lost") => void;
}

/** Answers one request: the body of a `POST /` of the right type, or the refusal of anything else. Never rejects. */
export type Handle = (asked: Buffer | Refusal<DeliveryCode>) => Promise<Reply>;

/** How the channel is protected. */
export type Channel =
  | { readonly kind: "psk"; readonly key: FamilyKey }
  | { readonly kind: "certificate"; readonly identity: Identity }
  | { readonly kind: "plain" };

/** Speaks on a door's connections until the door closes. */
export function serve(
  door: Door,
  channel: Channel,
  handle: Handle,
  clock: Ticking,
  log: Log,
): void {
  const guards = new WeakMap<Socket, Guard>();
  const answer: RequestListener = (request, response) => {
    const guard = guards.get(request.socket);
    guard?.begin();
    const judged: Handle = (asked) => {
      // Whoever has sent a whole request is being answered; where there is no proof, nobody else counts for more.
      door.prove(request.socket);
      return handle(asked);
    };
    void answerOne(request, response, judged, clock, guard);
  };
  const server =
    channel.kind === "plain"
      ? createHttpServer(HTTP)
      : secureServer(channel, log);
  server.on(
    channel.kind === "plain" ? "connection" : "secureConnection",
    (socket: Socket) => {
      log.debug("a channel stands", { from: socket.remoteAddress });
      if (channel.kind === "psk") {
        door.prove(socket);
      }
      guards.set(socket, new Guard(socket, clock));
    },
  );
  server.on("request", answer);
  // Without a listener Node would answer these two by itself, past the rule for strays.
  server.on("checkExpectation", answer);
  server.on("connect", (_request: IncomingMessage, socket: Socket) => {
    void answerRaw(socket, malformed("CONNECT is not served"), handle, clock);
  });
  server.on("clientError", (error: Error, socket: Socket) => {
    const code = systemCode(error);
    // A connection that breaks off, before or within a request, is no request.
    if (/^HPE_(?!INVALID_EOF_STATE)/.test(code)) {
      void answerRaw(
        socket,
        malformed("not a request of HTTP/1.1 with at most 8 KiB of headers"),
        handle,
        clock,
      );
    } else {
      socket.destroy();
    }
  });
  door.serve((socket) => {
    server.emit("connection", socket);
    if (channel.kind === "plain") {
      socket.resume();
    }
  });
}

const HTTP: ServerOptions = {
  maxHeaderSize: HEADER_BYTES,
  requireHostHeader: false,
  // Each connection has a Guard instead: these count from the connection, and an idle channel may stand.
  headersTimeout: 0,
  requestTimeout: 0,
  keepAliveTimeout: 0,
};

function secureServer(
  channel: Exclude<Channel, { kind: "plain" }>,
  log: Log,
): Server {
  const server = createHttpsServer({
    ...HTTP,
    minVersion: "TLSv1.3",
    ecdhCurve: "X25519:P-256",
    handshakeTimeout: REQUEST_TIME,
    ...(channel.kind === "psk"
      ? keyed(channel.key)
      : { key: channel.identity.key, cert: channel.identity.cert }),
  });
  server.on("tlsClientError", (error, socket) => {
    log.debug("a handshake failed", { why: systemCode(error) });
    socket.destroy();
  });
  return server;
}

/** Neither side has a certificate: who does not hold the family's key cannot finish the handshake. */
function keyed(key: FamilyKey): SecureServerOptions {
  const psk = derivePsk(key.key).expose();
  return {
    ciphers: "PSK",
    pskCallback: (_socket, identity) => (identity === key.kid ? psk : null),
  };
}

async function answerOne(
  request: IncomingMessage,
  response: ServerResponse,
  handle: Handle,
  clock: Ticking,
  guard: Guard | undefined,
): Promise<void> {
  const asked = await collect(request);
  if (asked === undefined) {
    return;
  }
  guard?.whole();
  const reply = await handle(asked);
  if (request.socket.destroyed || response.destroyed) {
    reply.sent("lost");
    return;
  }
  let finished = false;
  response.once("finish", () => {
    finished = true;
    guard?.next();
    if (reply.last) {
      void closed(request.socket, clock).then(() => reply.sent("written"));
    } else {
      reply.sent("written");
    }
  });
  response.once("close", () => {
    if (!finished) {
      reply.sent("lost");
    }
  });
  response.writeHead(reply.status, headers(reply));
  response.end(reply.body);
}

/**
 * The body of a delivery, or the refusal of what is none; undefined when the other side went away before its request was
 * whole. What is refused is still read to its end, because an answer to somebody who is writing is lost.
 */
function collect(
  request: IncomingMessage,
): Promise<Buffer | Refusal<DeliveryCode> | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  let refusal = refuseHead(request);
  return new Promise((resolve) => {
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > DELIVERY_BYTES) {
        refusal ??= malformed(
          `the body is larger than ${DELIVERY_BYTES} bytes`,
        );
      }
      if (refusal === undefined) {
        chunks.push(chunk);
      }
    });
    request.once("end", () => resolve(refusal ?? Buffer.concat(chunks)));
    request.once("close", () => resolve(refusal));
    // "close" follows; a request that breaks off is told by that.
    request.on("error", () => undefined);
  });
}

function refuseHead(
  request: IncomingMessage,
): Refusal<DeliveryCode> | undefined {
  if (request.method !== "POST" || request.url !== "/") {
    return malformed("only POST / is served");
  }
  const [type = ""] = (request.headers["content-type"] ?? "").split(";");
  return type.trim().toLowerCase() === DELIVERY_TYPE
    ? undefined
    : malformed(`the body must be ${DELIVERY_TYPE}`);
}

function malformed(detail: string): Refusal<DeliveryCode> {
  return new Refusal("bad_delivery", detail);
}

/** Answers what is no HTTP that Node would parse. */
async function answerRaw(
  socket: Socket,
  refusal: Refusal<DeliveryCode>,
  handle: Handle,
  clock: Ticking,
): Promise<void> {
  socket.removeAllListeners("data");
  socket.resume();
  const reply = await handle(refusal);
  const lines = Object.entries(headers(reply)).map(
    ([name, value]) => `${name}: ${value}`,
  );
  socket.end(
    [
      `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ""}`,
      ...lines,
      "",
      reply.body,
    ].join("\r\n"),
  );
  await closed(socket, clock);
  socket.destroy();
  reply.sent("written");
}

function headers(reply: Reply): Record<string, string | number> {
  return {
    "content-type": reply.type,
    "content-length": Buffer.byteLength(reply.body),
    "cache-control": "no-store",
    connection: reply.keepOpen ? "keep-alive" : "close",
  };
}
