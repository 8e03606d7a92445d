// Vault's stand-in, how a dev server comes up: the mounts that every Vault has, KV version 2 at secret/, and the root
// token under the name that was asked for.

import type { Backend } from "./backend.ts";
import type { Core } from "./core.ts";
import { cubbyholeBackend } from "./cubbyhole.ts";
import { addMount } from "./sys-mounts.ts";
import { sysBackend } from "./sys.ts";
import { tokenBackend } from "./token-backend.ts";

/** The mounts of a new dev server. Identities are named but not served. */
export function mountDefaults(core: Core): void {
  const empty: Backend = { routes: [] };
  core.mounts.add(
    {
      table: "secret",
      path: "cubbyhole/",
      type: "cubbyhole",
      description: "per-token private secret storage",
      local: true,
    },
    () => cubbyholeBackend(core),
  );
  core.mounts.add(
    {
      table: "secret",
      path: "identity/",
      type: "identity",
      description: "identity store",
    },
    () => empty,
  );
  core.mounts.add(
    {
      table: "secret",
      path: "sys/",
      type: "system",
      description: "system endpoints used for control, policy and debugging",
    },
    () => sysBackend(core),
  );
  core.mounts.add(
    {
      table: "auth",
      path: "token/",
      type: "token",
      description: "token based credentials",
    },
    () => tokenBackend(core, core.roles),
  );
  addMount(core, {
    table: "secret",
    path: "secret/",
    type: "kv",
    description: "key/value secret storage",
    options: { version: "2" },
  });
}

/** The root token as a dev server makes it: by a create of the first one, which it then forgets. */
export function createRoot(core: Core, id: string): void {
  core.tokens.create({
    id,
    parent: "",
    policies: ["root"],
    path: "auth/token/create",
    meta: null,
    displayName: "token",
    numUses: 0,
    ttl: 0,
    explicitMaxTtl: 0,
    period: 0,
    type: "service",
    entityId: "",
    role: "",
    boundCidrs: [],
    renewable: false,
    lease: { ttl: 0, period: 0, explicitMaxTtl: 0 },
  });
}
