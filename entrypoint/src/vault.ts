// Adapter: the calls that the entrypoint makes to Vault's HTTP API. What their answers mean is in answer.ts.
// https://developer.hashicorp.com/vault/api-docs

import type { Socket } from "node:net";
import { Secret, ShapeError } from "@vaultbuddy/common";
import { contentOf, decryptedOf, found, MOST, wrapAnswer } from "./answer.ts";
import type { Asked } from "./answer.ts";
import type { VaultTarget } from "./config.ts";
import { systemCode } from "./exit.ts";
import type { Found } from "./found.ts";
import { Client } from "./http.ts";
import type { Log } from "./log.ts";
import type { Mount } from "./mounts.ts";
import type { Content, ReadAsk } from "./read.ts";
import type { LeasePort } from "./supervise/watch.ts";
import type { Opened, WrapFacts, WrapPort } from "./unwrap.ts";

/** One call, in milliseconds: three of them fit into what a verified delivery leaves. */
const CALL_TIME = 3000;
/** One that makes something, such as a user in a database, and so is made only once: all that is left for it. */
const MAKE_TIME = 10_000;
/** Ending a token that nobody needs any more: the application waits for it. */
const RETIRE_TIME = 500;
/** The connection did not come about, so that Vault has not heard of the question. */
const UNSENT = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH"];
/** Engines in which reading changes nothing. */
const STABLE = ["kv", "generic", "cubbyhole"];

const NEVER = new AbortController().signal;

/** Vault at one address. */
export class Vault implements WrapPort, LeasePort {
  readonly #client: Client;
  readonly #namespace: string | undefined;
  readonly #log: Log;

  constructor(target: VaultTarget, log: Log, dial?: () => Socket) {
    this.#client = new Client(target.addr, target.ca, dial);
    this.#namespace = target.namespace;
    this.#log = log;
  }

  /** Opens connections before they are needed. */
  warm(count: number): void {
    this.#client.warm(count);
  }

  close(): void {
    this.#client.close();
  }

  async lookup(
    token: Secret,
    signal: AbortSignal,
  ): Promise<WrapFacts | "spent" | undefined> {
    const answer = await this.#ask("lookup", signal, {
      method: "POST",
      path: "sys/wrapping/lookup",
      again: true,
      body: JSON.stringify({ token: token.expose() }),
    });
    return wrapAnswer(answer, (body) => {
      const data = body.object("data");
      const written = data.text("creation_time", { max: 64 });
      const creationTime = Date.parse(written) / 1000;
      if (!Number.isFinite(creationTime)) {
        throw new ShapeError("creation_time", "must be a time");
      }
      return {
        creationPath: data.text("creation_path", { max: 512 }),
        creationTime,
        creationTtl: data.integer("creation_ttl", 0, 2 ** 40),
      };
    });
  }

  async unwrap(
    token: Secret,
    signal: AbortSignal,
  ): Promise<Opened | "spent" | undefined> {
    // In the header, and then without a body: a token in both would be used twice, and it has one use.
    const answer = await this.#ask("unwrap", signal, {
      method: "POST",
      path: "sys/wrapping/unwrap",
      token,
    });
    return wrapAnswer(answer, (body) => {
      const auth = body.object("auth");
      return {
        token: new Secret(
          auth.text("client_token", {
            max: 4096,
            pattern: /^[\x21-\x7e]+$/,
            form: "a token",
          }),
        ),
        accessor: auth.text("accessor", { max: 256 }),
        renewable: auth.boolean("renewable"),
        ttl: auth.integer("lease_duration", 0, 2 ** 40),
      };
    });
  }

  async mountOf(
    token: Secret,
    path: string,
    signal: AbortSignal,
  ): Promise<Found<Mount>> {
    const answer = await this.#ask("mount", signal, {
      method: "GET",
      path: `sys/internal/ui/mounts/${path}`,
      token,
    });
    if (typeof answer === "object" && answer.status === 404) {
      // A Vault older than 0.10, which had one version of KV only: Vault's own command takes it so too.
      const value = { path: "", versioned: false, stable: false };
      return { kind: "found", value };
    }
    return found(answer, (body) => {
      const data = body.object("data");
      const options = data.take("options");
      return {
        path: data.text("path", { max: 512 }),
        versioned:
          typeof options === "object" &&
          options !== null &&
          Reflect.get(options, "version") === "2",
        stable: STABLE.includes(data.text("type", { max: 128 })),
      };
    });
  }

  async read(
    token: Secret,
    { path, versioned, version, stable }: ReadAsk,
    signal: AbortSignal,
  ): Promise<Found<Content>> {
    const answer = await this.#ask("read", signal, {
      method: "GET",
      path: version === undefined ? path : `${path}?version=${version}`,
      token,
      time: stable ? CALL_TIME : MAKE_TIME,
    });
    return contentOf(answer, versioned);
  }

  async write(
    token: Secret,
    path: string,
    parameters: string,
    signal: AbortSignal,
  ): Promise<Found<Content>> {
    const answer = await this.#ask("write", signal, {
      method: "POST",
      path,
      token,
      body: parameters,
      time: MAKE_TIME,
    });
    return contentOf(answer, false);
  }

  async decrypt(
    token: Secret,
    path: string,
    ciphertexts: readonly string[],
    signal: AbortSignal,
  ): Promise<Found<readonly (Secret | undefined)[]>> {
    const answer = await this.#ask("decrypt", signal, {
      method: "POST",
      path,
      token,
      body: JSON.stringify({
        batch_input: ciphertexts.map((ciphertext) => ({ ciphertext })),
      }),
    });
    return decryptedOf(answer, ciphertexts.length);
  }

  async renew(
    token: Secret,
    increment: number,
    signal: AbortSignal,
  ): Promise<Found<number>> {
    const answer = await this.#ask("renew", signal, {
      method: "POST",
      path: "auth/token/renew-self",
      token,
      body: JSON.stringify({ increment }),
    });
    return found(answer, (body) =>
      body.object("auth").integer("lease_duration", 0, 2 ** 40),
    );
  }

  /** Of a lease, in seconds as well. */
  async renewLease(
    token: Secret,
    id: string,
    increment: number,
    signal: AbortSignal,
  ): Promise<Found<number>> {
    const answer = await this.#ask("renew a lease", signal, {
      method: "POST",
      path: "sys/leases/renew",
      token,
      body: JSON.stringify({ lease_id: id, increment }),
    });
    return found(answer, (body) => body.integer("lease_duration", 0, 2 ** 40));
  }

  async revoke(token: Secret): Promise<void> {
    const status = await this.#end(token, CALL_TIME);
    if (status !== 204 && status !== 200) {
      this.#log.warn(
        "the token could not be revoked; it ends by itself or by the broker",
        { status },
      );
    }
  }

  /** Ends a token that has done its work. Never throws, and takes half a second at most (or `time`); true when it is ended. */
  async retire(token: Secret, time = RETIRE_TIME): Promise<boolean> {
    const status = await this.#end(token, time);
    const ended = status === 204 || status === 200;
    this.#log.debug(
      ended
        ? "the token has done its work and is revoked"
        : "the token has done its work and could not be revoked",
      { status },
    );
    return ended;
  }

  /** The status of Vault's answer. */
  async #end(token: Secret, time: number): Promise<number | undefined> {
    const answer = await this.#ask("revoke", NEVER, {
      method: "POST",
      path: "auth/token/revoke-self",
      token,
      time,
    });
    return typeof answer === "object" ? answer.status : undefined;
  }

  /** Vault's answer, and why there is none: `lost` when the question may have come to Vault. */
  async #ask(what: string, signal: AbortSignal, call: Call): Promise<Asked> {
    const { body, time = CALL_TIME } = call;
    try {
      const answer = await this.#client.ask({
        method: call.method,
        path: `/v1/${call.path}`,
        headers: {
          accept: "application/json",
          "x-vault-request": "true",
          ...(call.token === undefined
            ? {}
            : { "x-vault-token": call.token.expose() }),
          ...(this.#namespace === undefined
            ? {}
            : { "x-vault-namespace": this.#namespace }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body }),
        most: MOST,
        signal: AbortSignal.any([signal, AbortSignal.timeout(time)]),
      });
      this.#log.debug("Vault answered", { what, status: answer.status });
      return answer;
    } catch (error) {
      const why = systemCode(error);
      this.#log.debug("Vault did not answer", { what, why });
      const { again, ...rest } = call;
      return again === true && (why === "ECONNRESET" || why === "EPIPE")
        ? this.#ask(what, signal, rest)
        : UNSENT.includes(why)
          ? "unsent"
          : "lost";
    }
  }
}

interface Call {
  readonly method: "GET" | "POST";
  /** Below `/v1/`; of characters that need no encoding. */
  readonly path: string;
  readonly token?: Secret;
  /** JSON. */
  readonly body?: string;
  /** Milliseconds. */
  readonly time?: number;
  /** Made once more when its connection broke: one that stood ready may have been closed just then. */
  readonly again?: true;
}
