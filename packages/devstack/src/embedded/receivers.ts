// All receivers of an engine: a plain listener for each, at its own address, and one HTTPS server behind them all that
// tells them apart by the address that was dialled.

import {
  createServer as createHttps,
  type Server as HttpsServer,
} from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:net";
import { DELIVERY_BYTES, DELIVERY_TYPE, Refusal } from "@vaultbuddy/common";
import type { DeliveryCode } from "@vaultbuddy/common";
import type { Made } from "./made.ts";
import { ApiFault } from "./fault.ts";
import {
  readReceiverSettings,
  type ReceiverSettings,
  Reception,
  refusal,
  type Unwrapping,
} from "./receiver.ts";
import type { ReceiverPort } from "./parts.ts";
import type { Output, Workload } from "./workload.ts";

/** A receiver has its token. */
export interface Delivered {
  readonly containerId: string;
  readonly taskArn: string;
  /** From its start to its receipt, in milliseconds. */
  readonly ms: number;
}

export interface ReceiversDeps {
  readonly vault: Unwrapping;
  /** Seconds since 1970. */
  readonly now: () => number;
  /** Milliseconds that only grow. */
  readonly monotonic: () => number;
  readonly onDelivered: (delivered: Delivered) => void;
}

interface Listening {
  readonly settings: ReceiverSettings;
  readonly reception: Reception;
  readonly server: Server;
  readonly began: number;
  readonly output: Output;
  taken: boolean;
}

const requestMs = 5_000;
const headerBytes = 8_192;

export class Receivers implements ReceiverPort {
  readonly #deps: ReceiversDeps;
  readonly #https: HttpsServer;
  /** By the address they listen at. */
  readonly #listening = new Map<string, Listening>();

  constructor(deps: ReceiversDeps) {
    this.#deps = deps;
    this.#https = createHttps(
      {
        ciphers: "PSK",
        minVersion: "TLSv1.3",
        ecdhCurve: "X25519",
        maxHeaderSize: headerBytes,
        requireHostHeader: false,
        // A channel may stand idle while Vault is slow; the time of a request runs from its first byte.
        headersTimeout: 0,
        requestTimeout: 0,
        keepAliveTimeout: requestMs,
        pskCallback: (socket, identity) => {
          const key = this.#at(socket.localAddress, socket.localPort)?.settings;
          return key?.key.kid === identity ? key.psk.expose() : null;
        },
      },
      (request, response) => {
        void this.#serve(request, response);
      },
    );
    this.#https.on("tlsClientError", (_, socket) => socket.destroy());
  }

  async start(made: Made, address: string, output: Output): Promise<Workload> {
    const settings = readReceiverSettings(made);
    const place = `${address}:${settings.port}`;
    if (this.#listening.has(place))
      throw new ApiFault(400, `a receiver listens at ${place} already`);
    const { vault, now, monotonic } = this.#deps;
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on("error", () => undefined);
      this.#https.emit("connection", socket);
    });
    const one: Listening = {
      settings,
      reception: new Reception(settings, vault, now),
      server,
      began: monotonic(),
      output,
      taken: false,
    };
    await listen(server, address, settings.port);
    this.#listening.set(place, one);
    const { promise, resolve } = Promise.withResolvers<number>();
    return {
      pid: 0,
      ended: promise,
      // As the entrypoint ends when a signal comes: none is ignored.
      signal: (signal) => {
        this.#listening.delete(place);
        server.close();
        resolve(128 + signal);
      },
    };
  }

  /** Ends the connections that stand. */
  close(): void {
    this.#https.closeAllConnections();
    for (const { server } of this.#listening.values()) server.close();
    this.#listening.clear();
  }

  #at(
    address: string | undefined,
    port: number | undefined,
  ): Listening | undefined {
    return this.#listening.get(`${address}:${port}`);
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { localAddress, localPort } = request.socket;
    const one = this.#at(localAddress, localPort);
    if (one === undefined) {
      request.socket.destroy();
      return;
    }
    const body = await collect(request);
    const answer =
      body instanceof Refusal
        ? refusal(body)
        : await one.reception.answer(body);
    const { status, type } = answer;
    response.writeHead(status, {
      "content-type": type,
      "content-length": Buffer.byteLength(answer.body),
      "cache-control": "no-store",
      connection: status === 503 ? "keep-alive" : "close",
    });
    response.end(answer.body, () => {
      if (answer.taken) this.#finish(one);
    });
  }

  /** The receipt is out: as the entrypoint does, it stops listening, and the container runs on. */
  #finish(one: Listening): void {
    if (one.taken) return;
    one.taken = true;
    one.server.close();
    const { containerId, taskArn } = one.settings;
    const ms = this.#deps.monotonic() - one.began;
    one.output(1, Buffer.from("a delivery was taken\n"));
    this.#deps.onDelivered({ containerId, taskArn, ms });
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        new ApiFault(
          400,
          `cannot listen at ${host}:${port} (${error.code ?? "failed"})`,
        ),
      );
    });
    server.listen({ host, port, exclusive: true }, resolve);
  });
}

/** The body of a delivery, or the refusal of what is none. */
async function collect(
  request: IncomingMessage,
): Promise<Buffer | Refusal<DeliveryCode>> {
  const chunks: Buffer[] = [];
  let size = 0;
  const late = setTimeout(() => request.socket.destroy(), requestMs);
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size <= DELIVERY_BYTES) chunks.push(chunk);
    }
  } catch {
    return malformed("the request broke off");
  } finally {
    clearTimeout(late);
  }
  const [type = ""] = (request.headers["content-type"] ?? "").split(";");
  if (request.method !== "POST" || request.url !== "/")
    return malformed("only POST / is served");
  if (type.trim().toLowerCase() !== DELIVERY_TYPE)
    return malformed(`the body must be ${DELIVERY_TYPE}`);
  return size > DELIVERY_BYTES
    ? malformed(`the body is larger than ${DELIVERY_BYTES} bytes`)
    : Buffer.concat(chunks);
}

function malformed(detail: string): Refusal<DeliveryCode> {
  return new Refusal("bad_delivery", detail);
}
