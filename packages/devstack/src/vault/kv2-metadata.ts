// Vault's stand-in, what the versioned key/value engine knows of a key besides its values: its versions, how many are
// kept, whether writes must name the version they replace, and after what time a version deletes itself.

import { listReply, pattern } from "./backend.ts";
import type { Call, Handler, Reply, Route } from "./backend.ts";
import { goDuration } from "./duration.ts";
import { refuse } from "./fault.ts";
import type { JsonObject } from "./json.ts";
import type { KvStore } from "./kv2.ts";

export interface KvVersion {
  data: JsonObject | null;
  readonly created: number;
  /** When it is or will be deleted; undefined for never. */
  deletion: number | undefined;
  destroyed: boolean;
}

export interface KvSecret {
  readonly versions: Map<number, KvVersion>;
  current: number;
  oldest: number;
  readonly created: number;
  updated: number;
  /** 0 for what the engine says. */
  maxVersions: number;
  casRequired: boolean;
  /** Milliseconds, 0 for what the engine says. */
  deleteAfter: number;
}

export interface KvConfig {
  maxVersions: number;
  casRequired: boolean;
  /** Milliseconds, 0 for never, below 0 for never whatever a key says. */
  deleteAfter: number;
}

export function newConfig(): KvConfig {
  return { maxVersions: 0, casRequired: false, deleteAfter: 0 };
}

export function newSecret(now: number): KvSecret {
  return {
    versions: new Map(),
    current: 0,
    oldest: 0,
    created: now,
    updated: now,
    maxVersions: 0,
    casRequired: false,
    deleteAfter: 0,
  };
}

/** A time as the engine writes it, "" for none. */
export function timeText(time: number | undefined): string {
  return time === undefined ? "" : new Date(time).toISOString();
}

/** When a version made now deletes itself: the shorter of the key's and the engine's time, if either has one. */
export function deletionFor(
  store: KvStore,
  secret: KvSecret,
  now: number,
): number | undefined {
  const engine = store.config.deleteAfter;
  if (engine < 0 || secret.deleteAfter < 0) return undefined;
  const times = [engine, secret.deleteAfter].filter((time) => time > 0);
  return times.length === 0 ? undefined : now + Math.min(...times);
}

export function configRoute(store: KvStore): Route {
  const write: Handler = ({ fields }) => {
    const { config } = store;
    if (fields.has("max_versions"))
      config.maxVersions = fields.integer("max_versions");
    if (fields.has("cas_required"))
      config.casRequired = fields.boolean("cas_required");
    if (fields.has("delete_version_after"))
      config.deleteAfter = fields.duration("delete_version_after");
    return undefined;
  };
  return {
    pattern: pattern("config"),
    fields: {
      max_versions: "integer",
      cas_required: "boolean",
      delete_version_after: "signed duration",
    },
    operations: {
      read: () => ({
        data: {
          max_versions: store.config.maxVersions,
          cas_required: store.config.casRequired,
          delete_version_after: goDuration(
            Math.max(0, store.config.deleteAfter),
          ),
        },
      }),
      create: write,
      update: write,
    },
  };
}

export function metadataRoute(store: KvStore): Route {
  const write: Handler = (call) => writeMetadata(store, call);
  return {
    pattern: pattern("metadata/(?<path>.*)"),
    fields: {
      max_versions: "integer",
      cas_required: "boolean",
      delete_version_after: "signed duration",
    },
    exists: (call) =>
      store.secrets.get(call.fields.string("path")) !== undefined,
    operations: {
      read: (call) => readMetadata(store, call),
      create: write,
      update: write,
      delete: (call) => {
        store.secrets.delete(call.fields.string("path"));
        return undefined;
      },
      list: (call) => listReply(store.secrets.list(call.fields.string("path"))),
    },
  };
}

function readMetadata(store: KvStore, call: Call): Reply | undefined {
  const secret = store.secrets.get(call.fields.string("path"));
  if (secret === undefined) return undefined;
  return {
    data: {
      versions: Object.fromEntries(
        [...secret.versions].map(([number, version]) => [
          String(number),
          {
            created_time: timeText(version.created),
            deletion_time: timeText(version.deletion),
            destroyed: version.destroyed,
          },
        ]),
      ),
      current_version: secret.current,
      oldest_version: secret.oldest,
      created_time: timeText(secret.created),
      updated_time: timeText(secret.updated),
      max_versions: secret.maxVersions,
      cas_required: secret.casRequired,
      delete_version_after: goDuration(secret.deleteAfter),
    },
  };
}

function writeMetadata(store: KvStore, call: Call): Reply | undefined {
  const { fields } = call;
  const key = fields.string("path");
  if (key === "") throw refuse("missing path");
  const given = ["max_versions", "cas_required", "delete_version_after"].filter(
    (name) => fields.has(name),
  );
  if (given.length === 0) return undefined;
  const secret = store.secrets.get(key) ?? newSecret(store.now());
  if (fields.has("max_versions"))
    secret.maxVersions = fields.integer("max_versions");
  if (fields.has("cas_required"))
    secret.casRequired = fields.boolean("cas_required");
  if (fields.has("delete_version_after"))
    secret.deleteAfter = fields.duration("delete_version_after");
  store.secrets.set(key, secret);
  return fields.has("cas_required") &&
    store.config.casRequired &&
    !secret.casRequired
    ? {
        warnings: [
          '"cas_required" set to false, but is mandated by backend config. This value will be ignored.',
        ],
      }
    : undefined;
}
