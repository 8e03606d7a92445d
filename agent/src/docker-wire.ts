// How dockerode speaks to Docker here. Its own transport reads answers of any size, follows redirects (and falls over an
// odd one), and takes half of its address from the environment; this one sends the GETs it is asked for to the one address
// it was given, and hands the answer on unread.

import http from "node:http";
import { TransportError } from "@vaultbuddy/common/daemon";
import { openAnswer } from "./exchange.ts";

/** Where Docker listens. */
export type DockerAddress =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number };

/** An answer with status 200. */
export interface DockerAnswer {
  /** Docker's clock at the answer, in milliseconds since 1970, to the second; absent when it did not say. */
  readonly time?: number;
  /** To be read to its end or left by a throw: the connection is held until then. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** What dockerode asks of a transport: the part of its `dial` options that a GET has. */
export interface Dial {
  readonly path: string;
  readonly method: string;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly isStream?: boolean;
  readonly abortSignal?: AbortSignal;
}

type Done = (error: Error | null, answer?: DockerAnswer) => void;

const CONNECT_TIMEOUT = 3000;

/** A transport for dockerode. */
export class DockerWire {
  readonly #address: DockerAddress;
  readonly #timeout: number;
  // A connection each: a kept one may have died with the Docker before, and a list is asked for twice a minute.
  readonly #agent = new http.Agent({ keepAlive: false });

  /** `timeout`: from the start of a request to the end of its answer, or of a stream's header; in milliseconds. */
  constructor(address: DockerAddress, timeout: number) {
    this.#address = address;
    this.#timeout = timeout;
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

  async #send(ask: Dial): Promise<DockerAnswer> {
    const opened = await openAnswer(
      {
        method: "GET",
        place: this.#address,
        path: pathOf(ask),
        headers: { host: "docker" },
        agent: this.#agent,
        connectTimeout: Math.min(CONNECT_TIMEOUT, this.#timeout),
        timeout: this.#timeout,
        signal: ask.abortSignal,
      },
      ask.isStream === true ? "header" : "body",
    );
    if (opened.status !== 200) {
      opened.close();
      throw new TransportError(`http_${opened.status}`);
    }
    const time = Date.parse(String(opened.headers["date"] ?? ""));
    return {
      body: opened.body,
      ...(Number.isNaN(time) ? {} : { time }),
    };
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
