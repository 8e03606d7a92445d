// Vault's stand-in, the table of mounts: which engine or auth method answers below which path, and what the two lists
// sys/mounts and sys/auth tell about it.

import type { Backend } from "./backend.ts";
import { wholeSeconds } from "./duration.ts";
import type { Json, JsonObject } from "./json.ts";
import { base62, uuid } from "./random.ts";
import { systemLease } from "./ttl.ts";

export interface MountConfig {
  /** Milliseconds, 0 for the system's. */
  defaultTtl: number;
  maxTtl: number;
  forceNoCache: boolean;
  listingVisibility: string;
  /** Only auth methods have one. */
  tokenType: string;
}

export interface Mount {
  readonly table: "secret" | "auth";
  /** As the lists show it, with a closing slash and without `auth/`. */
  readonly path: string;
  /** As requests name it: `auth/` before an auth method's path. */
  readonly route: string;
  readonly type: string;
  description: string;
  readonly accessor: string;
  readonly uuid: string;
  readonly local: boolean;
  readonly sealWrap: boolean;
  options: Record<string, string> | null;
  readonly config: MountConfig;
  readonly backend: Backend;
}

export interface NewMount {
  readonly table: "secret" | "auth";
  readonly path: string;
  readonly type: string;
  readonly description?: string;
  readonly local?: boolean;
  readonly sealWrap?: boolean;
  readonly options?: Record<string, string> | null;
  readonly config?: Partial<MountConfig>;
}

export class MountTable {
  readonly #mounts = new Map<string, Mount>();

  /** Adds a mount; the engine gets the mount itself, so that it can read options that change. */
  add(
    wanted: NewMount,
    engine: (mount: Omit<Mount, "backend">) => Backend,
  ): void {
    const route = wanted.table === "auth" ? `auth/${wanted.path}` : wanted.path;
    const mount: Omit<Mount, "backend"> = {
      table: wanted.table,
      path: wanted.path,
      route,
      type: wanted.type,
      description: wanted.description ?? "",
      accessor: `${wanted.table === "auth" ? "auth_" : ""}${wanted.type}_${base62(8).toLowerCase()}`,
      uuid: uuid(),
      local: wanted.local ?? false,
      sealWrap: wanted.sealWrap ?? false,
      options: wanted.options ?? null,
      config: {
        defaultTtl: 0,
        maxTtl: 0,
        forceNoCache: false,
        listingVisibility: "",
        tokenType: "default-service",
        ...wanted.config,
      },
    };
    this.#mounts.set(route, Object.assign(mount, { backend: engine(mount) }));
  }

  remove(route: string): void {
    this.#mounts.delete(route);
  }

  get(route: string): Mount | undefined {
    return this.#mounts.get(route);
  }

  /** The mount that answers a path; a path that lacks only the closing slash means the mount itself. */
  match(path: string): Mount | undefined {
    let best: Mount | undefined;
    for (const mount of this.#mounts.values())
      if (
        (path.startsWith(mount.route) || `${path}/` === mount.route) &&
        mount.route.length > (best?.route.length ?? 0)
      )
        best = mount;
    return best;
  }

  list(table: "secret" | "auth"): Mount[] {
    return [...this.#mounts.values()]
      .filter((mount) => mount.table === table)
      .toSorted((left, right) => (left.path < right.path ? -1 : 1));
  }

  /** The mount whose path lies above or below this one, which Vault doesn't allow. */
  conflict(table: "secret" | "auth", path: string): Mount | undefined {
    return this.list(table).find(
      (mount) => mount.path.startsWith(path) || path.startsWith(mount.path),
    );
  }
}

/** What the lists say of a mount. */
export function describeMount(mount: Mount): JsonObject {
  const config: Record<string, Json> = {
    default_lease_ttl: wholeSeconds(mount.config.defaultTtl),
    max_lease_ttl: wholeSeconds(mount.config.maxTtl),
    force_no_cache: mount.config.forceNoCache,
  };
  if (mount.config.listingVisibility !== "")
    config["listing_visibility"] = mount.config.listingVisibility;
  if (mount.table === "auth") config["token_type"] = mount.config.tokenType;
  return {
    accessor: mount.accessor,
    config,
    description: mount.description,
    external_entropy_access: false,
    local: mount.local,
    options: mount.options,
    seal_wrap: mount.sealWrap,
    type: mount.type,
    uuid: mount.uuid,
  };
}

/** What reading the tuning of a mount says: the TTLs that hold, the system's where it has none. */
export function describeTuning(mount: Mount): JsonObject {
  const { config, options } = mount;
  return {
    default_lease_ttl: wholeSeconds(config.defaultTtl || systemLease),
    max_lease_ttl: wholeSeconds(config.maxTtl || systemLease),
    force_no_cache: config.forceNoCache,
    description: mount.description,
    ...(mount.table === "auth" && { token_type: config.tokenType }),
    ...(config.listingVisibility !== "" && {
      listing_visibility: config.listingVisibility,
    }),
    ...(options !== null && Object.keys(options).length > 0 && { options }),
  };
}
