// The broker's one way out to another server: a deadline, a cap on what is read, no redirect, no proxy from the
// environment. Whoever needs a pool of connections passes its dispatcher.

import { Agent, request as send } from "undici";
import type { Dispatcher } from "undici";
import { TransportError } from "./transport.ts";
import type { Answer } from "./transport.ts";

/** One request. Times in milliseconds, sizes in bytes. */
export interface Ask {
  readonly method: Dispatcher.HttpMethod;
  readonly url: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
  /** From the start to the last byte of the answer. */
  readonly timeout: number;
  readonly maxBytes: number;
  readonly dispatcher: Dispatcher;
  readonly signal?: AbortSignal;
}

/** How connections to one kind of server are kept. Times in milliseconds. */
export interface Connections {
  /** How many may be open to one origin at once. */
  readonly perOrigin: number;
  readonly connectTimeout: number;
  /** Certificates to trust instead of the system's, as PEM. */
  readonly ca?: string | undefined;
}

/** Kept-alive connections for {@link request}. Deadlines are the request's own: undici's silent ones are off. */
export function openConnections(options: Connections): Dispatcher {
  return new Agent({
    connections: options.perOrigin,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      timeout: options.connectTimeout,
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    },
  });
}

/** Sends one request and reads the whole answer. Throws {@link TransportError}. Follows nothing, retries nothing. */
export async function request(ask: Ask): Promise<Answer> {
  const deadline = AbortSignal.timeout(ask.timeout);
  const signal =
    ask.signal === undefined
      ? deadline
      : AbortSignal.any([deadline, ask.signal]);
  try {
    const response = await send(ask.url, {
      method: ask.method,
      dispatcher: ask.dispatcher,
      signal,
      ...(ask.headers === undefined ? {} : { headers: ask.headers }),
      ...(ask.body === undefined ? {} : { body: ask.body }),
    });
    return {
      status: response.statusCode,
      headers: response.headers,
      body: await readCapped(response.body, ask.maxBytes),
    };
  } catch (error) {
    if (error instanceof TransportError) {
      throw error;
    }
    throw new TransportError(codeOf(error, deadline));
  }
}

async function readCapped(
  stream: AsyncIterable<Uint8Array>,
  max: number,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > max) {
      // Leaving the loop destroys the body, and with it the connection.
      throw new TransportError("too_large");
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function codeOf(error: unknown, deadline: AbortSignal): string {
  if (deadline.aborted) {
    return "timeout";
  }
  if (error instanceof Error) {
    const code: unknown = Reflect.get(error, "code");
    if (typeof code === "string" && /^[\w-]{1,60}$/.test(code)) {
      return code;
    }
    if (error.name === "AbortError") {
      return "aborted";
    }
  }
  return "failed";
}
