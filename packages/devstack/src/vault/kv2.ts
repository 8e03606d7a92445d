// Vault's stand-in, the key/value engine with versions: writing, reading, deleting, restoring and destroying them,
// with check-and-set. What the engine knows about a key without its values is in kv2-metadata.ts.

import { pattern } from "./backend.ts";
import type { Backend, Call, Handler, Reply, Route } from "./backend.ts";
import type { Core } from "./core.ts";
import { refuse } from "./fault.ts";
import { weakInteger } from "./fields.ts";
import type { Json, JsonObject } from "./json.ts";
import {
  configRoute,
  deletionFor,
  metadataRoute,
  newConfig,
  newSecret,
  timeText,
} from "./kv2-metadata.ts";
import type { KvConfig, KvSecret, KvVersion } from "./kv2-metadata.ts";
import { Storage } from "./storage.ts";

export interface KvStore {
  readonly secrets: Storage<KvSecret>;
  readonly config: KvConfig;
  readonly now: () => number;
}

export function kv2Backend(core: Core): Backend {
  const store: KvStore = {
    secrets: new Storage<KvSecret>(),
    config: newConfig(),
    now: core.now,
  };
  return {
    routes: [
      configRoute(store),
      dataRoute(store),
      metadataRoute(store),
      versionsRoute(store, "delete", (version) => {
        if (!version.destroyed && !isDeleted(store, version))
          version.deletion = store.now();
      }),
      versionsRoute(store, "undelete", (version, secret) => {
        if (!version.destroyed)
          version.deletion = deletionFor(store, secret, store.now());
      }),
      versionsRoute(store, "destroy", (version) => {
        version.destroyed = true;
        version.data = null;
      }),
      elsewhere,
    ],
  };
}

function dataRoute(store: KvStore): Route {
  const write: Handler = (call) => writeData(store, call);
  return {
    pattern: pattern("data/(?<path>.*?[^/])"),
    fields: { version: "integer", options: "map", data: "map" },
    exists: (call) =>
      store.secrets.get(call.fields.string("path")) !== undefined,
    operations: {
      create: write,
      update: write,
      read: (call) => readData(store, call),
      delete: (call) => {
        const secret = store.secrets.get(call.fields.string("path"));
        const version = secret?.versions.get(secret.current);
        if (
          version !== undefined &&
          !version.destroyed &&
          !isDeleted(store, version)
        )
          version.deletion = store.now();
        return undefined;
      },
    },
  };
}

function isDeleted(store: KvStore, version: KvVersion): boolean {
  return version.deletion !== undefined && version.deletion <= store.now();
}

function readData(store: KvStore, call: Call): Reply | undefined {
  const secret = store.secrets.get(call.fields.string("path"));
  if (secret === undefined) return undefined;
  const asked = call.fields.integer("version");
  const number = asked > 0 ? asked : secret.current;
  const version = secret.versions.get(number);
  if (version === undefined) return undefined;
  const gone = isDeleted(store, version) || version.destroyed;
  return {
    data: {
      data: gone ? null : version.data,
      metadata: describeVersion(number, version),
    },
    ...(gone && { status: 404 }),
  };
}

function describeVersion(number: number, version: KvVersion): JsonObject {
  return {
    created_time: timeText(version.created),
    deletion_time: timeText(version.deletion),
    destroyed: version.destroyed,
    version: number,
  };
}

function writeData(store: KvStore, call: Call): Reply {
  const key = call.fields.string("path");
  if (!call.fields.has("data")) throw refuse("no data provided");
  const now = store.now();
  const secret = store.secrets.get(key) ?? newSecret(now);
  checkAndSet(store, secret, call.fields.map("options"));
  secret.current += 1;
  const version: KvVersion = {
    data: call.fields.map("data") ?? null,
    created: now,
    deletion: deletionFor(store, secret, now),
    destroyed: false,
  };
  secret.versions.set(secret.current, version);
  secret.updated = now;
  dropOldVersions(store, secret);
  store.secrets.set(key, secret);
  return { data: describeVersion(secret.current, version) };
}

function checkAndSet(
  store: KvStore,
  secret: KvSecret,
  options: JsonObject | undefined,
): void {
  const cas: Json | undefined = options?.["cas"];
  if (cas === undefined) {
    if (store.config.casRequired || secret.casRequired)
      throw refuse("check-and-set parameter required for this call");
    return;
  }
  let wanted: number;
  try {
    wanted = weakInteger(cas);
  } catch {
    throw refuse("error parsing check-and-set parameter");
  }
  if (wanted !== secret.current)
    throw refuse("check-and-set parameter did not match the current version");
}

/** Keeps the newest versions: as many as the key says, else the engine, else ten. */
function dropOldVersions(store: KvStore, secret: KvSecret): void {
  const most = secret.maxVersions || store.config.maxVersions || 10;
  if (secret.current - secret.oldest < most) return;
  const last = secret.current - most;
  for (let number = secret.oldest; number <= last; number += 1)
    secret.versions.delete(number);
  secret.oldest = last + 1;
}

function versionsRoute(
  store: KvStore,
  verb: "delete" | "undelete" | "destroy",
  change: (version: KvVersion, secret: KvSecret) => void,
): Route {
  return {
    pattern: pattern(`${verb}/(?<path>.*)`),
    fields: { versions: "integer list" },
    operations: {
      update: (call) => {
        const numbers = call.fields.integers("versions");
        if (numbers.length === 0) throw refuse("No version number provided");
        const secret = store.secrets.get(call.fields.string("path"));
        for (const number of numbers) {
          const version = secret?.versions.get(number);
          if (version !== undefined && secret !== undefined)
            change(version, secret);
        }
        return undefined;
      },
    },
  };
}

/** Whoever speaks to this engine as if it had no versions is told so. */
const elsewhere: Route = {
  pattern: pattern(".*"),
  operations: {
    read: (call) => notHere(call, "get"),
    update: (call) => notHere(call, "put"),
    delete: (call) => notHere(call, "delete"),
    list: (call) => notHere(call, "list"),
  },
};

function notHere(call: Call, verb: string): Reply {
  const warning = [
    "metadata",
    "data",
    "delete",
    "undelete",
    "destroy",
  ].includes(call.path)
    ? "Non-listing operations on the root of a K/V v2 mount are not supported."
    : `Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If using the Vault CLI, use 'vault kv ${verb}' for this operation.`;
  return { status: 404, warnings: [warning] };
}
