// Step 5 of the entrypoint: the token becomes values. Every path is read once and all of them at the same time; which
// engine a path is in, and which version of KV, is asked of Vault as its own command does.

import { pause } from "@vaultbuddy/common";
import type { Clock, Secret } from "@vaultbuddy/common";
import { Failure } from "./exit.ts";
import { quote } from "./find.ts";
import type { Token } from "./unwrap.ts";
import type { Values } from "./values.ts";

/** What Vault said: something, a refusal, or nothing that can be used. */
export type Found<Value> =
  | { readonly kind: "found"; readonly value: Value }
  | { readonly kind: "refused"; readonly status: number }
  | { readonly kind: "silent" };

/** The engine that a path is in. */
export interface Mount {
  /** With its trailing slash; empty when unknown. */
  readonly path: string;
  /** KV version 2. */
  readonly versioned: boolean;
}

/** What stands at a path. */
export interface Content {
  /** It has a lease, and so dies with the token. */
  readonly leased: boolean;
  readonly values: Values;
}

/** What reading asks of Vault. */
export interface ReadPort {
  mountOf(
    token: Secret,
    path: string,
    signal: AbortSignal,
  ): Promise<Found<Mount>>;
  /** `path` as the engine's API has it. */
  read(
    token: Secret,
    path: string,
    versioned: boolean,
    signal: AbortSignal,
  ): Promise<Found<Content>>;
  /** The token's life after it was renewed, in seconds. */
  renew(
    token: Secret,
    increment: number,
    signal: AbortSignal,
  ): Promise<Found<number>>;
}

/** What reading needs. */
export interface ReadDeps {
  readonly vault: ReadPort;
  readonly clock: Pick<Clock, "sleep" | "random">;
  readonly signal: AbortSignal;
}

/** A call that Vault did not answer is made at most this often: reads change nothing, so they may be repeated. */
const TRIES = 3;
const BACKOFF = { first: 100, most: 400 };

/**
 * Reads every path once. Throws {@link Failure} `read_refused` when Vault refuses one, else `read_failed` when it does not
 * answer for one; all faulty paths are named.
 */
export async function readAll(
  token: Token,
  paths: readonly string[],
  deps: ReadDeps,
): Promise<ReadonlyMap<string, Content>> {
  const mounts = new MountTable(token, deps);
  const results = await Promise.all(
    [...new Set(paths)].map(async (path) => ({
      path,
      content: await readOne(token, path, mounts, deps),
    })),
  );
  const refused = results.flatMap(({ path, content }) =>
    content.kind === "refused" ? [refusal(path, content.status)] : [],
  );
  if (refused.length > 0) {
    throw new Failure("read_refused", refused.join("; "));
  }
  const silent = results.filter(({ content }) => content.kind === "silent");
  if (silent.length > 0) {
    const names = silent.map(({ path }) => quote(path)).join(", ");
    throw new Failure(
      "read_failed",
      `Vault gave no usable answer for ${names}`,
    );
  }
  return new Map(
    results.flatMap(({ path, content }) =>
      content.kind === "found" ? [[path, content.value] as const] : [],
    ),
  );
}

/**
 * Lengthens the token's life to what the delivery promises (seconds). It was minted short, so that one whose answer got
 * lost dies soon. False when Vault would not: the caller knows whether that matters.
 */
export async function renew(
  token: Token,
  tokenTtl: number,
  deps: ReadDeps,
): Promise<boolean> {
  if (!token.renewable || token.ttl >= tokenTtl) {
    return true;
  }
  const renewed = await repeated(deps, () =>
    deps.vault.renew(token.token, tokenTtl, deps.signal),
  );
  return renewed.kind === "found";
}

async function readOne(
  token: Token,
  path: string,
  mounts: MountTable,
  deps: ReadDeps,
): Promise<Found<Content>> {
  const mount = await mounts.of(path);
  if (mount.kind !== "found") {
    return mount;
  }
  const { path: root, versioned } = mount.value;
  // As `vault kv get` does: the version's API has its own word between the engine and the rest.
  const apiPath = versioned ? `${root}data/${path.slice(root.length)}` : path;
  return repeated(deps, () =>
    deps.vault.read(token.token, apiPath, versioned, deps.signal),
  );
}

async function repeated<Value>(
  { clock, signal }: ReadDeps,
  call: () => Promise<Found<Value>>,
): Promise<Found<Value>> {
  for (let attempt = 0; ; attempt += 1) {
    const answer = await call();
    if (answer.kind !== "silent" || attempt + 1 >= TRIES || signal.aborted) {
      return answer;
    }
    await clock
      .sleep(pause(BACKOFF, attempt, clock), signal)
      .catch(() => undefined);
  }
}

function refusal(path: string, status: number): string {
  return status === 404
    ? `there is no secret at ${quote(path)} (404)`
    : `Vault refuses to read ${quote(path)} (${status})`;
}

/** Which engine a path is in: asked once for each first segment, because most paths share one. */
class MountTable {
  readonly #token: Token;
  readonly #deps: ReadDeps;
  readonly #asked = new Map<string, Promise<Found<Mount>>>();

  constructor(token: Token, deps: ReadDeps) {
    this.#token = token;
    this.#deps = deps;
  }

  async of(path: string): Promise<Found<Mount>> {
    const [segment = ""] = path.split("/");
    const first = await this.#ask(segment, path);
    // Engines never nest, so a path below a known one is in it. Others that begin alike (team/a/, team/b/) are asked for.
    return first.kind === "found" && path.startsWith(first.value.path)
      ? first
      : await this.#ask(path, path);
  }

  #ask(key: string, path: string): Promise<Found<Mount>> {
    const asked =
      this.#asked.get(key) ??
      repeated(this.#deps, () =>
        this.#deps.vault.mountOf(this.#token.token, path, this.#deps.signal),
      );
    this.#asked.set(key, asked);
    return asked;
  }
}
