// The one way out of the agent, to Docker, to the brokers and to the ECS agent: one request to one place, with a deadline,
// a cap, no redirect and no proxy from the environment. On Node's own client, which dockerode and /healthz load anyway:
// an agent sits on every host, and undici would make it a third larger.

import http from "node:http";
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { TransportError } from "@vaultbuddy/common/daemon";
import type { Answer } from "@vaultbuddy/common/daemon";

/** One request. Times in milliseconds. */
export interface Call {
  readonly method: "GET" | "POST";
  /** Where to: a socket's path, or host and port; and, for a place that is not plain HTTP, how. */
  readonly place: Pick<RequestOptions, "socketPath" | "host" | "port">;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The kept connections; one for TLS makes the request one over TLS. */
  readonly agent: http.Agent;
  /** Until there is a connection, handshake included. */
  readonly connectTimeout: number;
  /** Until the last byte of the answer, or of a stream's header. */
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
}

/** An answer whose body is still to be read. To be read or closed: the connection is held until then. */
export interface Opened {
  readonly status: number;
  readonly headers: Answer["headers"];
  /** The body. A {@link TransportError} ends it like any other failure. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives up what has not been read. */
  close(): void;
}

/** How often a request is sent on a kept connection that turns out to be closed, before a new one must do. */
const STALE = 3;

/** Sends a request and reads the whole answer, of at most `maxBytes`. Throws {@link TransportError}. */
export async function exchange(call: Call, maxBytes: number): Promise<Answer> {
  const { status, headers, body } = await openAnswer(call, "body");
  return { status, headers, body: await readCapped(body, maxBytes) };
}

/** Reads a body of at most `max` bytes. Throws {@link TransportError}. */
export async function readCapped(
  body: AsyncIterable<Uint8Array>,
  max: number,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > max) {
      // Leaving the loop destroys the body, and with it the connection.
      throw new TransportError("too_large");
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Sends a request and waits for the answer's header. The deadline spans the body too, or ends here for a stream. */
export async function openAnswer(
  call: Call,
  deadline: "body" | "header",
): Promise<Opened> {
  const guard = new Guard(call);
  try {
    const response = await sendFresh(call, guard);
    if (deadline === "header") {
      guard.endDeadline();
    }
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: guarded(response, guard),
      close: () => {
        guard.end();
        response.destroy();
      },
    };
  } catch (error) {
    guard.end();
    throw guard.failure(error);
  }
}

/** Sends once more where a kept connection was closed by the other side just then: nothing was read of the request. */
async function sendFresh(call: Call, guard: Guard): Promise<IncomingMessage> {
  for (let stale = 1; ; stale += 1) {
    const request = start(call);
    guard.watch(request);
    try {
      return await responseOf(request);
    } catch (error) {
      const lost = codeOf(error) === "ECONNRESET" || codeOf(error) === "EPIPE";
      if (!request.reusedSocket || !lost || guard.over || stale > STALE) {
        throw error;
      }
    }
  }
}

function start(call: Call): ClientRequest {
  const { method, place, path, headers, agent } = call;
  return http.request({
    ...place,
    method,
    path,
    agent,
    headers: {
      ...headers,
      ...(call.body === undefined
        ? {}
        : { "content-length": Buffer.byteLength(call.body) }),
    },
    // Node asks the agent for its protocol; the agent's alone decides.
    protocol: Reflect.get(agent, "protocol") as string,
  });
}

function responseOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on("response", (response) => {
      // Whoever reads it hears of its failure; one that is dropped must not bring the process down.
      response.on("error", () => undefined);
      resolve(response);
    });
    request.on("upgrade", (_response, socket) => {
      socket.destroy();
      reject(new TransportError("http_101"));
    });
    request.on("error", reject);
  });
}

async function* guarded(
  response: IncomingMessage,
  guard: Guard,
): AsyncGenerator<Uint8Array> {
  try {
    const chunks: AsyncIterable<Uint8Array> = response;
    yield* chunks;
  } catch (error) {
    throw guard.failure(error);
  } finally {
    guard.end();
  }
}

/** What may end a request early: its deadline, its connection's, and the caller's signal. */
class Guard {
  readonly #call: Call;
  readonly #timer: NodeJS.Timeout;
  #connecting: NodeJS.Timeout | undefined;
  #request: ClientRequest | undefined;
  #why: TransportError | undefined;

  constructor(call: Call) {
    this.#call = call;
    this.#timer = setTimeout(this.#late, call.timeout);
    call.signal?.addEventListener("abort", this.#abort, { once: true });
    if (call.signal?.aborted === true) {
      this.#abort();
    }
  }

  get over(): boolean {
    return this.#why !== undefined;
  }

  /** Takes a request under guard and sends it. */
  watch(request: ClientRequest): void {
    this.#request = request;
    if (this.#why !== undefined) {
      request.destroy(this.#why);
      return;
    }
    request.on("socket", (socket) => {
      // A connection that nobody answers any more is noticed by the system.
      socket.setKeepAlive(true, 15_000);
      if (socket.connecting) {
        const { connectTimeout } = this.#call;
        this.#connecting = setTimeout(this.#late, connectTimeout);
        const connected = "encrypted" in socket ? "secureConnect" : "connect";
        socket.once(connected, () => {
          clearTimeout(this.#connecting);
        });
      }
    });
    request.end(this.#call.body);
  }

  endDeadline(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#connecting);
  }

  end(): void {
    this.endDeadline();
    this.#call.signal?.removeEventListener("abort", this.#abort);
  }

  /** The reason in our words: what the guard did, else what the system said. */
  failure(error: unknown): TransportError {
    return (
      this.#why ??
      (error instanceof TransportError
        ? error
        : new TransportError(codeOf(error)))
    );
  }

  readonly #late = (): void => {
    this.#stop("timeout");
  };

  readonly #abort = (): void => {
    this.#stop("aborted");
  };

  #stop(code: string): void {
    this.#why ??= new TransportError(code);
    this.#request?.destroy(this.#why);
  }
}

function codeOf(error: unknown): string {
  const code: unknown =
    error instanceof Error ? Reflect.get(error, "code") : undefined;
  return typeof code === "string" && /^[\w-]{1,60}$/.test(code)
    ? code
    : "failed";
}
