// Vault's stand-in, the key/value engine without versions: what is written is read back, with the field `ttl` (or
// `lease`) as the length of a lease that nobody keeps.

import { listReply, pattern } from "./backend.ts";
import type { Backend, Handler, Reply } from "./backend.ts";
import type { Core } from "./core.ts";
import { weakDuration } from "./fields.ts";
import { refuse } from "./fault.ts";
import type { JsonObject } from "./json.ts";
import { Storage } from "./storage.ts";

export function kv1Backend(core: Core, route: string): Backend {
  const store = new Storage<JsonObject>();
  const write: Handler = (call) => {
    if (call.path === "") throw refuse("missing path");
    const data = call.request.data ?? {};
    if (Object.keys(data).length === 0) throw refuse("missing data fields");
    store.set(call.path, data);
    return undefined;
  };
  return {
    routes: [
      {
        pattern: pattern(".*"),
        exists: (call) => store.get(call.path) !== undefined,
        operations: {
          read: (call) => {
            const data = store.get(call.path);
            if (data === undefined) return undefined;
            return { data, lease: leaseOf(data, core.defaultTtl(route)) };
          },
          create: write,
          update: write,
          delete: (call) => {
            store.delete(call.path);
            return undefined;
          },
          list: (call): Reply => listReply(store.list(call.path)),
        },
      },
    ],
  };
}

function leaseOf(data: JsonObject, otherwise: number): number {
  const wanted = data["ttl"] ?? data["lease"];
  if (wanted === undefined) return otherwise;
  try {
    return weakDuration(wanted);
  } catch {
    // Vault shrugs at a `ttl` that is no duration: the field is the writer's own.
    return otherwise;
  }
}
