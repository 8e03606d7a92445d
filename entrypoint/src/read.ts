// Step 5 of the entrypoint: the token becomes values. One batch: every path is read once, everything that is
// written to is written to once, and all at the same time. What may be asked for again is, but nothing that makes something new with
// every answer, such as a database user: the one whose answer was lost would live on unknown.

import type { Secret } from "@vaultbuddy/common";
import { Failure } from "./exit.ts";
import { quote } from "./find.ts";
import { repeated } from "./found.ts";
import type { Found, RepeatDeps } from "./found.ts";
import { apiPath, MountTable } from "./mounts.ts";
import type { Mount } from "./mounts.ts";
import { describeSource, sourceId } from "./reference.ts";
import type { Source } from "./reference.ts";
import type { Ending } from "./supervise/alive.ts";
import type { Token } from "./unwrap.ts";
import type { Values } from "./values.ts";

/** What stands at a path. */
export interface Content {
  /** It has a lease, and so dies with the token. */
  readonly leased: boolean;
  /** There where it can be renewed by itself. */
  readonly lease?: Ending & { readonly id: string };
  readonly values: Values;
  /** All of it as JSON; absent where there was nothing to tell. */
  readonly json?: Secret;
}

/** How one path is read. */
export interface ReadAsk {
  /** As the engine's API has it. */
  readonly path: string;
  readonly versioned: boolean;
  readonly version?: number;
  /** Asking again gives the same answer. */
  readonly stable: boolean;
}

/** What reading asks of Vault. */
export interface ReadPort {
  mountOf(
    token: Secret,
    path: string,
    signal: AbortSignal,
  ): Promise<Found<Mount>>;
  read(
    token: Secret,
    ask: ReadAsk,
    signal: AbortSignal,
  ): Promise<Found<Content>>;
  /** `parameters` as JSON. */
  write(
    token: Secret,
    path: string,
    parameters: string,
    signal: AbortSignal,
  ): Promise<Found<Content>>;
  /** The texts in the order of the ciphertexts; undefined for one that the key does not decrypt. */
  decrypt(
    token: Secret,
    path: string,
    ciphertexts: readonly string[],
    signal: AbortSignal,
  ): Promise<Found<readonly (Secret | undefined)[]>>;
  /** The token's life after it was renewed, in seconds. */
  renew(
    token: Secret,
    increment: number,
    signal: AbortSignal,
  ): Promise<Found<number>>;
}

/** What reading needs. */
export interface ReadDeps extends RepeatDeps {
  readonly vault: ReadPort;
}

/** Everything that is to be asked of Vault. */
export interface Needs {
  readonly sources: readonly Source[];
  /** Of the transit engine, all of one key. */
  readonly ciphertexts: readonly string[];
  /** `transit/decrypt/<key>`; there where there are ciphertexts. */
  readonly decryptPath?: string;
}

/** What Vault answered. */
export interface Answers {
  /** By {@link sourceId}. */
  readonly contents: ReadonlyMap<string, Content>;
  /** Those of them that are as they are until somebody changes them, so that reading again makes nothing. */
  readonly stable?: ReadonlySet<string>;
  /** By ciphertext; undefined for one that the key does not decrypt. */
  readonly plaintexts: ReadonlyMap<string, Secret | undefined>;
}

/**
 * Asks for everything once. Throws {@link Failure} `read_refused` when Vault refuses something, else `read_failed` when
 * it does not answer; all faulty paths are named.
 */
export async function readAll(
  token: Token,
  { sources, ciphertexts, decryptPath }: Needs,
  deps: ReadDeps,
): Promise<Answers> {
  const reader = new Reader(token, deps);
  const distinct = new Map(sources.map((source) => [sourceId(source), source]));
  const [results, decrypted] = await Promise.all([
    Promise.all(
      [...distinct].map(async ([id, source]) => ({
        id,
        source,
        content: await reader.fetch(source),
      })),
    ),
    decryptPath === undefined || ciphertexts.length === 0
      ? undefined
      : reader.decrypt(decryptPath, ciphertexts),
  ]);
  const faults = [
    ...results.map(({ source, content }) => ({ source, answer: content })),
    ...(decrypted === undefined || decryptPath === undefined
      ? []
      : [
          {
            source: { kind: "write", path: decryptPath } as const,
            answer: decrypted,
          },
        ]),
  ];
  throwFaults(faults);
  return {
    stable: reader.stable,
    contents: new Map(
      results.flatMap(({ id, content }) =>
        content.kind === "found" ? [[id, content.value] as const] : [],
      ),
    ),
    plaintexts: new Map(
      decrypted?.kind === "found"
        ? ciphertexts.map((one, at) => [one, decrypted.value[at]] as const)
        : [],
    ),
  };
}

/**
 * Lengthens the token's life to what the delivery promises (seconds). It was minted short, so that one whose answer got
 * lost dies soon. Its life in seconds; undefined when Vault would not, or has said that it will not: the caller knows
 * whether that matters.
 */
export async function renew(
  token: Token,
  tokenTtl: number,
  deps: ReadDeps,
): Promise<number | undefined> {
  if (token.ttl >= tokenTtl) {
    return token.ttl;
  }
  if (!token.renewable) {
    return undefined;
  }
  const renewed = await repeated(deps, true, () =>
    deps.vault.renew(token.token, tokenTtl, deps.signal),
  );
  return renewed.kind === "found" ? renewed.value : undefined;
}

interface Asked {
  readonly source: Source | { readonly kind: "write"; readonly path: string };
  readonly answer: Found<unknown>;
}

function throwFaults(asked: readonly Asked[]): void {
  const refused = asked.flatMap(({ source, answer }) =>
    answer.kind === "refused" ? [refusal(source, answer.status)] : [],
  );
  if (refused.length > 0) {
    throw new Failure("read_refused", [...new Set(refused)].join("; "));
  }
  const silent = asked.filter(({ answer }) => answer.kind === "silent");
  if (silent.length > 0) {
    const names = new Set(silent.map(({ source }) => quote(source.path)));
    throw new Failure(
      "read_failed",
      `Vault gave no usable answer for ${[...names].join(", ")}`,
    );
  }
}

function refusal(source: Asked["source"], status: number): string {
  if (source.kind === "write") {
    return `Vault refuses to write ${quote(source.path)} (${status})`;
  }
  const what = describeSource(source);
  switch (status) {
    case NO_VERSIONS:
      return `there is no ${what}: its engine keeps no versions`;
    case 404:
      return source.version === undefined
        ? `there is no secret at ${what} (404)`
        : `there is no ${what} (404)`;
    default:
      return `Vault refuses to read ${what} (${status})`;
  }
}

/** Stands for a status where Vault was not asked: only KV of version 2 has versions, and others would give the latest. */
const NO_VERSIONS = 0;

/** Asks for each thing once, whoever wants it. */
class Reader {
  /** By {@link sourceId}. */
  readonly stable = new Set<string>();
  readonly #token: Secret;
  readonly #deps: ReadDeps;
  readonly #mounts: MountTable;
  readonly #asked = new Map<string, Promise<Found<Content>>>();

  constructor({ token }: Token, deps: ReadDeps) {
    this.#token = token;
    this.#deps = deps;
    this.#mounts = new MountTable((path) =>
      repeated(deps, true, () => deps.vault.mountOf(token, path, deps.signal)),
    );
  }

  async fetch(source: Source): Promise<Found<Content>> {
    const { vault, signal } = this.#deps;
    if (source.kind === "write") {
      const { path, parameters } = source;
      return this.#once(`write ${path} ${parameters}`, false, () =>
        vault.write(this.#token, path, parameters, signal),
      );
    }
    const mount = await this.#mounts.of(source.path);
    if (mount.kind !== "found") {
      return mount;
    }
    const { versioned, stable } = mount.value;
    if (stable) {
      this.stable.add(sourceId(source));
    }
    const { version } = source;
    if (version !== undefined && !versioned) {
      return { kind: "refused", status: NO_VERSIONS };
    }
    const ask: ReadAsk = {
      path: apiPath(source.path, mount.value, source.api === true),
      versioned,
      stable,
      ...(version === undefined ? {} : { version }),
    };
    return this.#once(`read ${ask.path} ${version ?? ""}`, stable, () =>
      vault.read(this.#token, ask, signal),
    );
  }

  decrypt(
    path: string,
    ciphertexts: readonly string[],
  ): Promise<Found<readonly (Secret | undefined)[]>> {
    const { vault, signal } = this.#deps;
    return repeated(this.#deps, true, () =>
      vault.decrypt(this.#token, path, ciphertexts, signal),
    );
  }

  #once(
    key: string,
    stable: boolean,
    call: () => Promise<Found<Content>>,
  ): Promise<Found<Content>> {
    const asked = this.#asked.get(key) ?? repeated(this.#deps, stable, call);
    this.#asked.set(key, asked);
    return asked;
  }
}
