// Requests to Vault and to the metadata endpoint: each with a deadline and a size cap, never through a proxy that the
// environment names, never redirected. Deliberately node:http and not a library: this is all loaded while it waits.

import { X509Certificate } from "node:crypto";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { connect, isIP } from "node:net";
import type { Socket } from "node:net";
import { connect as connectTls, createSecureContext } from "node:tls";
import type { SecureContext } from "node:tls";

/** The most connections to one server: more cost more in handshakes than they save in waiting. */
const MOST_CONNECTIONS = 4;

/** One request. */
export interface Ask {
  readonly method: "GET" | "POST";
  /** Beginning with `/`, already encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The largest answer, in bytes. */
  readonly most: number;
  readonly signal: AbortSignal;
}

/** An answer that came whole. */
export interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

/** One server, over connections that are opened before they are needed and kept until the client is closed. */
export class Client {
  readonly #base: URL;
  /** One for all connections: reading the roots is what costs in a handshake. */
  readonly #context: SecureContext | undefined;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #spare: Socket[] = [];

  /**
   * `addr` is an http(s) URL; `ca` as PEM replaces the roots Node has; `dial` makes connections in another way than over
   * the network. Throws when `ca` holds no certificate.
   */
  constructor(addr: string, ca?: string, dial?: () => Socket) {
    this.#base = new URL(addr);
    const options = { keepAlive: true, maxSockets: MOST_CONNECTIONS };
    if (ca !== undefined) {
      refuseUnreadable(ca);
    }
    if (this.#base.protocol === "https:") {
      this.#context = createSecureContext(ca === undefined ? {} : { ca });
      this.#agent = new HttpsAgent(options);
    } else {
      this.#agent = new HttpAgent(options);
    }
    this.#agent.createConnection = dial ?? (() => this.#take() ?? this.#dial());
  }

  /** Opens connections until `count` stand ready. A failure is told by the request that would have used it. */
  warm(count: number): void {
    const open = Math.min(count, MOST_CONNECTIONS);
    while (this.#spare.length < open) {
      this.#spare.push(this.#dial());
    }
  }

  /** Rejects with the system's error when no whole answer came within size and time. */
  ask(ask: Ask): Promise<Answer> {
    const options: RequestOptions = {
      agent: this.#agent,
      host: hostOf(this.#base),
      port: portOf(this.#base),
      method: ask.method,
      path: `${this.#base.pathname.replace(/\/$/, "")}${ask.path}`,
      headers: {
        ...ask.headers,
        ...(ask.body === undefined
          ? {}
          : { "content-length": String(Buffer.byteLength(ask.body)) }),
      },
      signal: ask.signal,
    };
    return new Promise((resolve, reject) => {
      const request: ClientRequest =
        this.#context === undefined
          ? httpRequest(options)
          : httpsRequest(options);
      request.once("error", reject);
      request.once("response", (response) => {
        readWhole(response, ask.most).then(resolve, (error: unknown) => {
          request.destroy();
          reject(error);
        });
      });
      request.end(ask.body);
    });
  }

  /** Cuts every connection. */
  close(): void {
    this.#agent.destroy();
    for (const socket of this.#spare) {
      socket.destroy();
    }
  }

  #take(): Socket | undefined {
    for (;;) {
      const socket = this.#spare.shift();
      if (socket === undefined || !socket.destroyed) {
        return socket;
      }
    }
  }

  #dial(): Socket {
    const host = hostOf(this.#base);
    const port = portOf(this.#base);
    const socket =
      this.#context === undefined
        ? connect({ host, port })
        : connectTls({
            host,
            port,
            secureContext: this.#context,
            // Told, so that NODE_TLS_REJECT_UNAUTHORIZED in an image cannot turn the check off.
            rejectUnauthorized: true,
            ...(isIP(host) === 0 ? { servername: host } : {}),
            ALPNProtocols: ["http/1.1"],
          });
    socket.setNoDelay(true);
    // The request that uses the connection tells its errors; a spare one's are nobody's concern.
    socket.on("error", () => undefined);
    return socket;
  }
}

/** Throws for what holds no certificate. createSecureContext takes anything, and then trusts nobody without a word. */
function refuseUnreadable(pem: string): X509Certificate {
  return new X509Certificate(pem);
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, "");
}

function portOf(url: URL): number {
  return url.port === ""
    ? url.protocol === "https:"
      ? 443
      : 80
    : Number(url.port);
}

async function readWhole(
  response: IncomingMessage,
  most: number,
): Promise<Answer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > most) {
      throw new RangeError(`the answer is larger than ${most} bytes`);
    }
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks) };
}
