// Adapter: the seven calls that the entrypoint makes to Vault's HTTP API. Answers are judged here by status and shape;
// what no sound Vault would say (a proxy's page, a redirect, half a document) is "no usable answer", and never repeated
// in a message. https://developer.hashicorp.com/vault/api-docs/system/wrapping-lookup

import { Fields, parseJson, Secret, ShapeError } from "@vaultbuddy/common";
import type { VaultTarget } from "./config.ts";
import { systemCode } from "./exit.ts";
import { Client } from "./http.ts";
import type { Answer } from "./http.ts";
import type { Log } from "./log.ts";
import type { Content, Found, Mount, ReadPort } from "./read.ts";
import type { Opened, WrapFacts, WrapPort } from "./unwrap.ts";
import { parseValues } from "./values.ts";

/** One call, in milliseconds: three of them fit into what a verified delivery leaves. */
const CALL_TIME = 3000;
/** Vault takes no request larger than 32 MiB; no environment holds more than two. */
const MOST = 4 * 1024 * 1024;

/** Vault at one address. */
export class Vault implements WrapPort, ReadPort {
  readonly #client: Client;
  readonly #namespace: string | undefined;
  readonly #log: Log;

  constructor(target: VaultTarget, log: Log) {
    this.#client = new Client(target.addr, target.ca);
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
      body: { token: token.expose() },
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
    if (answer?.status === 404) {
      // A Vault older than 0.10, which had one version of KV only: Vault's own command takes it so too.
      return { kind: "found", value: { path: "", versioned: false } };
    }
    return found(answer, (body) => {
      const data = body.object("data");
      const options = data.take("options");
      return {
        path: data.text("path", { max: 512 }),
        versioned:
          data.text("type", { max: 128 }) === "kv" &&
          typeof options === "object" &&
          options !== null &&
          Reflect.get(options, "version") === "2",
      };
    });
  }

  async read(
    token: Secret,
    path: string,
    versioned: boolean,
    signal: AbortSignal,
  ): Promise<Found<Content>> {
    const answer = await this.#ask("read", signal, {
      method: "GET",
      path,
      token,
    });
    return found(answer, (body, bytes) => {
      const lease = body.take("lease_id");
      return {
        leased: typeof lease === "string" && lease !== "",
        values: parseValues(bytes, versioned),
      };
    });
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
      body: { increment },
    });
    return found(answer, (body) =>
      body.object("auth").integer("lease_duration", 0, 2 ** 40),
    );
  }

  async revoke(token: Secret): Promise<void> {
    const answer = await this.#ask("revoke", AbortSignal.timeout(CALL_TIME), {
      method: "POST",
      path: "auth/token/revoke-self",
      token,
    });
    if (answer?.status !== 204 && answer?.status !== 200) {
      this.#log.warn(
        "the token could not be revoked; it ends by itself or by the broker",
        { status: answer?.status },
      );
    }
  }

  /** The answer, or undefined when none came that is Vault's own. */
  async #ask(
    what: string,
    signal: AbortSignal,
    call: Call,
  ): Promise<Answer | undefined> {
    const body =
      call.body === undefined ? undefined : JSON.stringify(call.body);
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
        signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_TIME)]),
      });
      this.#log.debug("Vault answered", { what, status: answer.status });
      return answer;
    } catch (error) {
      const why = systemCode(error);
      this.#log.debug("Vault did not answer", { what, why });
      const { again, ...rest } = call;
      return again === true && (why === "ECONNRESET" || why === "EPIPE")
        ? this.#ask(what, signal, rest)
        : undefined;
    }
  }
}

interface Call {
  readonly method: "GET" | "POST";
  /** Below `/v1/`; of characters that need no encoding. */
  readonly path: string;
  readonly token?: Secret;
  readonly body?: unknown;
  /** Made once more when its connection broke: one that stood ready may have been closed just then. */
  readonly again?: true;
}

/** An answer about a wrapping token. Only Vault's own words make it "spent": a proxy answers 400 to many things. */
function wrapAnswer<Value>(
  answer: Answer | undefined,
  read: (body: Fields) => Value,
): Value | "spent" | undefined {
  if (answer?.status === 200) {
    return shaped(() => read(new Fields(parseJson(answer.body, MOST))));
  }
  const refused =
    answer?.status === 400
      ? shaped(() =>
          new Fields(parseJson(answer.body, MOST)).list("errors", 16, String),
        )
      : undefined;
  return refused?.some((error) => error.includes("wrapping token"))
    ? "spent"
    : undefined;
}

function found<Value>(
  answer: Answer | undefined,
  read: (body: Fields, bytes: Buffer) => Value,
): Found<Value> {
  if (answer?.status === 200) {
    const value = shaped(() =>
      read(new Fields(parseJson(answer.body, MOST)), answer.body),
    );
    return value === undefined ? { kind: "silent" } : { kind: "found", value };
  }
  // 412 is a replica that has not heard of the token yet; 429, 472 and 473 are standbys.
  const refused =
    answer !== undefined && [400, 403, 404, 405].includes(answer.status);
  return refused && isVaults(answer)
    ? { kind: "refused", status: answer.status }
    : { kind: "silent" };
}

/** Whether a refusal is in Vault's form: an `errors` list, or the empty answer about a deleted version. */
function isVaults(answer: Answer): boolean {
  return (
    shaped(() => {
      const fields = new Fields(parseJson(answer.body, MOST));
      return (
        fields.has("errors") || fields.has("data") || fields.has("request_id")
      );
    }) ?? false
  );
}

/** What `read` gives; undefined when the document has not the shape it must have. */
function shaped<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof ShapeError) {
      return undefined;
    }
    throw error;
  }
}
