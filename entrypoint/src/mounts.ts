// Which engine a path is in, and the path by which the engine's API knows it: asked of Vault as its own command does
// before each `vault kv`, but once for each engine. https://github.com/hashicorp/vault/blob/main/command/kv_helpers.go

import type { Found } from "./found.ts";

/** The engine that a path is in. */
export interface Mount {
  /** With its trailing slash; empty when unknown. */
  readonly path: string;
  /** KV version 2. */
  readonly versioned: boolean;
  /** Reading a path of it twice gives the same: of KV, say, and not of what makes credentials. */
  readonly stable: boolean;
}

/** Which engine a path is in: asked once for each first segment, because most paths share one. */
export class MountTable {
  readonly #ask: (path: string) => Promise<Found<Mount>>;
  readonly #asked = new Map<string, Promise<Found<Mount>>>();

  constructor(ask: (path: string) => Promise<Found<Mount>>) {
    this.#ask = ask;
  }

  async of(path: string): Promise<Found<Mount>> {
    const [segment = ""] = path.split("/");
    const first = await this.#once(segment, path);
    // Engines never nest, so a path below a known one is in it. Others that begin alike (team/a/, team/b/) are asked for.
    return first.kind === "found" && isBelow(path, first.value)
      ? first
      : await this.#once(path, path);
  }

  #once(key: string, path: string): Promise<Found<Mount>> {
    const asked = this.#asked.get(key) ?? this.#ask(path);
    this.#asked.set(key, asked);
    return asked;
  }
}

/**
 * The path of the API for a logical one. `api` says that the path may be the API's already: behind the engine of a
 * version 2 `data/` then stands for itself.
 */
export function apiPath(path: string, mount: Mount, api: boolean): string {
  if (!mount.versioned) {
    return path;
  }
  const root = rootOf(path, mount);
  const rest = path === root.slice(0, -1) ? "" : path.slice(root.length);
  if (api && rest.startsWith("data/")) {
    return path;
  }
  return `${root}data${rest === "" ? "" : "/"}${rest}`;
}

function isBelow(path: string, mount: Mount): boolean {
  return `${path}/`.startsWith(rootOf(path, mount));
}

/** In a namespace Vault may name an engine with the namespace in front, which the request has in its header. */
function rootOf(path: string, { path: full }: Mount): string {
  const segments = full.split("/").slice(0, -1);
  const roots = segments.map((_, at) => `${segments.slice(at).join("/")}/`);
  return roots.find((root) => `${path}/`.startsWith(root)) ?? full;
}
