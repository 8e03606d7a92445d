// How dockerode speaks to Docker here: its own transport reads answers of any size, follows redirects (and falls over an
// odd one), and takes half of its address from the environment. This one sends the GETs it is asked for, each with a
// deadline and a cap, to the one address it was given.

import http from "node:http";
import type { IncomingMessage } from "node:http";
import { addAbortSignal } from "node:stream";
import { TransportError } from "@vaultbuddy/common/daemon";

/** Where Docker listens. */
export type DockerAddress =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number };

/** A whole answer with status 200. */
export interface DockerAnswer {
  /** Docker's clock at the answer, in milliseconds since 1970, to the second; absent when it did not say. */
  readonly time?: number;
  readonly body: Buffer;
}

/** What dockerode asks of a transport: the part of its `dial` options that a GET has. */
export interface Dial {
  readonly path: string;
  readonly method: string;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly isStream?: boolean;
  readonly abortSignal?: AbortSignal;
}

type Done = (
  error: Error | null,
  answer?: DockerAnswer | IncomingMessage,
) => void;

export interface WireLimits {
  /** From the start of a request to the end of its answer, or of a stream's header; in milliseconds. */
  readonly timeout: number;
  readonly maxBytes: number;
}

/** A transport for dockerode. Answers with a {@link DockerAnswer}, or for a stream with the response itself. */
export class DockerWire {
  readonly #address: DockerAddress;
  readonly #limits: WireLimits;
  // A connection each: a kept one may have died with the Docker before, and a list is asked for twice a minute.
  readonly #agent = new http.Agent({ keepAlive: false });

  constructor(address: DockerAddress, limits: WireLimits) {
    this.#address = address;
    this.#limits = limits;
  }

  dial(ask: Dial, done: Done): void {
    void this.#answer(ask, done);
  }

  async #answer(ask: Dial, done: Done): Promise<void> {
    try {
      const answer = await this.#send(ask);
      done(null, answer);
    } catch (error) {
      done(error instanceof Error ? error : new TransportError("failed"));
    }
  }

  async #send(ask: Dial): Promise<DockerAnswer | IncomingMessage> {
    const late = new AbortController();
    const timer = setTimeout(() => {
      late.abort();
    }, this.#limits.timeout);
    try {
      const response = await this.#open(ask, late.signal);
      if (response.statusCode !== 200) {
        response.destroy();
        throw new TransportError(`http_${response.statusCode ?? 0}`);
      }
      return ask.isStream === true
        ? response
        : await readAnswer(response, this.#limits.maxBytes, late.signal);
    } catch (error) {
      throw failureOf(error, late.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  #open(ask: Dial, late: AbortSignal): Promise<IncomingMessage> {
    const stop =
      ask.abortSignal === undefined
        ? late
        : AbortSignal.any([late, ask.abortSignal]);
    return new Promise((resolve, reject) => {
      const request = http.request({
        ...this.#address,
        method: "GET",
        path: pathOf(ask),
        agent: this.#agent,
        headers: { host: "docker" },
        signal: stop,
      });
      request.on("response", (response) => {
        // The request's own signal ends to matter once there is an answer.
        if (ask.abortSignal !== undefined) {
          addAbortSignal(ask.abortSignal, response);
        }
        // Whoever reads it hears of it; one that is dropped must not bring the process down.
        response.on("error", () => undefined);
        resolve(response);
      });
      request.on("upgrade", (_response, socket) => {
        socket.destroy();
        reject(new TransportError("http_101"));
      });
      request.on("error", reject);
      // A TCP connection that nobody answers any more is noticed by the system.
      request.on("socket", (socket) => socket.setKeepAlive(true, 15_000));
      request.end();
    });
  }
}

function pathOf(ask: Dial): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(ask.options ?? {})) {
    if (name !== "abortSignal" && value !== undefined) {
      query.set(
        name,
        typeof value === "string" ? value : JSON.stringify(value),
      );
    }
  }
  const path = ask.path.replace(/\?$/, "");
  return query.size === 0 ? path : `${path}?${query.toString()}`;
}

async function readAnswer(
  response: IncomingMessage,
  max: number,
  late: AbortSignal,
): Promise<DockerAnswer> {
  addAbortSignal(late, response);
  const time = Date.parse(response.headers.date ?? "");
  const chunks: Uint8Array[] = [];
  let size = 0;
  const stream: AsyncIterable<Uint8Array> = response;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > max) {
      throw new TransportError("too_large");
    }
    chunks.push(chunk);
  }
  return {
    body: Buffer.concat(chunks),
    ...(Number.isNaN(time) ? {} : { time }),
  };
}

function failureOf(error: unknown, late: AbortSignal): TransportError {
  if (error instanceof TransportError) {
    return error;
  }
  if (late.aborted) {
    return new TransportError("timeout");
  }
  const code: unknown =
    error instanceof Error ? Reflect.get(error, "code") : undefined;
  return new TransportError(
    typeof code === "string" && /^[\w-]{1,60}$/.test(code) ? code : "failed",
  );
}
