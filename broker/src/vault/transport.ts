// The broker's one way to Vault: pooled, bounded, strict about what counts as an answer. Two clients stand on it: the
// hot calls (mint, revoke, look up) go straight through undici, the rare ones (login, renewal, self-inspection) through
// node-vault, which is given this transport instead of its own, because its own follows redirects with the token, obeys
// proxies of the environment and reads without a cap.

import { parseJson, Refusal } from "@vaultbuddy/common";
import type { Secret } from "@vaultbuddy/common";
import { request, TransportError } from "@vaultbuddy/common/daemon";
import { Agent } from "undici";

const MOST_BYTES = 1024 * 1024;
const CONNECTIONS = 64;

/** One question to Vault. */
export interface VaultAsk {
  readonly method: "GET" | "POST" | "PUT" | "LIST" | "DELETE";
  /** Below `/v1/`, without a leading slash. */
  readonly path: string;
  readonly token?: Secret;
  readonly body?: unknown;
  /** Seconds; asks for a response-wrapped answer. */
  readonly wrapTtl?: number;
}

/** What Vault said, once it is known to be Vault's own answer: below 500, JSON or empty. */
export interface VaultAnswer {
  readonly status: number;
  /** Undefined for an empty body. */
  readonly body: unknown;
}

export interface TransportOptions {
  readonly addr: string;
  readonly namespace: string | undefined;
  /** PEM of the certificate authority to trust instead of the machine's. */
  readonly ca: string | undefined;
  /** Milliseconds each call may take. */
  readonly timeout: number;
}

/** No answer of Vault's own came, or one that says it is away. */
export class VaultAway extends Refusal<"vault_unavailable"> {
  /** Whether it is certain that Vault did nothing: the request never left, or Vault itself turned it away. */
  readonly didNothing: boolean;

  constructor(what: string, didNothing: boolean) {
    super(
      "vault_unavailable",
      `${what}: check Vault's health and the broker's VAULT_ADDR; ask again`,
    );
    this.didNothing = didNothing;
  }
}

/** How Vault itself says that it does nothing now: rate limit, standby, sealed. */
const TURNED_AWAY = [429, 472, 473, 503];
/** Failures before a request can have left. */
const NEVER_LEFT = [
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "UND_ERR_CONNECT_TIMEOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
];

/** A pool of connections to one Vault. */
export class VaultTransport {
  readonly #options: TransportOptions;
  readonly #pool: Agent;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#pool = new Agent({
      connections: CONNECTIONS,
      pipelining: 1,
      keepAliveTimeout: 30_000,
      connect: {
        timeout: options.timeout,
        ...(options.ca === undefined ? {} : { ca: options.ca }),
      },
    });
  }

  get addr(): string {
    return this.#options.addr;
  }

  /**
   * Asks once and never again by itself. Throws {@link VaultAway} when no whole answer came in time, when it is not
   * Vault's (HTML, truncated, over 1 MiB, a redirect), and for 429, 472, 473 and every 5xx.
   */
  async ask(ask: VaultAsk): Promise<VaultAnswer> {
    const answer = await this.#send(ask);
    const body = readBody(answer.body);
    const turnedAway = TURNED_AWAY.includes(answer.status);
    const foreign =
      answer.status < 200 || (answer.status >= 300 && answer.status < 400);
    if (turnedAway || foreign || answer.status >= 500 || body === NOT_JSON) {
      throw new VaultAway(
        `Vault answered ${answer.status}${body === NOT_JSON ? ", not JSON" : ""}`,
        turnedAway && body !== NOT_JSON,
      );
    }
    return { status: answer.status, body };
  }

  async #send(ask: VaultAsk): Promise<{ status: number; body: Buffer }> {
    const { namespace, addr, timeout } = this.#options;
    try {
      return await request({
        method: ask.method,
        url: `${addr}/v1/${ask.path}`,
        headers: {
          "X-Vault-Request": "true",
          ...(ask.token === undefined
            ? {}
            : { "X-Vault-Token": ask.token.expose() }),
          ...(ask.wrapTtl === undefined
            ? {}
            : { "X-Vault-Wrap-TTL": `${ask.wrapTtl}s` }),
          ...(namespace === undefined
            ? {}
            : { "X-Vault-Namespace": namespace }),
          ...(ask.body === undefined
            ? {}
            : { "Content-Type": "application/json" }),
        },
        ...(ask.body === undefined ? {} : { body: JSON.stringify(ask.body) }),
        timeout: timeout,
        maxBytes: MOST_BYTES,
        dispatcher: this.#pool,
      });
    } catch (error) {
      if (error instanceof TransportError) {
        throw new VaultAway(
          `no whole answer came from Vault (${error.code})`,
          NEVER_LEFT.includes(error.code),
        );
      }
      throw error;
    }
  }

  /** Closes every connection, after what is in flight. */
  async close(): Promise<void> {
    await this.#pool.close();
  }
}

const NOT_JSON = Symbol("not JSON");

function readBody(bytes: Buffer): unknown {
  if (bytes.length === 0) {
    return undefined;
  }
  try {
    return parseJson(bytes, MOST_BYTES);
  } catch {
    return NOT_JSON;
  }
}
