// Reading Vault's KV engine, version 1 or 2: which of the two a path is in is asked of Vault as its own command does, by
// the path that tells a client about the mount it may use.
// https://developer.hashicorp.com/vault/docs/secrets/kv

import { Fields, text } from "@vaultbuddy/common";
import type { Secret } from "@vaultbuddy/common";
import { openClient, shaped, VaultRefused } from "./client.ts";
import type { VaultTransport } from "./transport.ts";

/** The engine a path is in. */
export interface KvMount {
  /** With its trailing slash. */
  readonly path: string;
  readonly versioned: boolean;
}

/** Each throws VaultRefused or Refusal `vault_unavailable`. Paths are logical: `secret/web`, whatever the version. */
export interface Kv {
  mountOf(token: Secret, path: string): Promise<KvMount>;
  /** What stands at a path; undefined when nothing does, or no more. */
  read(token: Secret, mount: KvMount, path: string): Promise<unknown>;
  /** The names below a path; those of folders end in a slash. None when nothing is there. */
  list(token: Secret, mount: KvMount, path: string): Promise<readonly string[]>;
}

/** How a path is called in the engine's own API, with the word that version 2 has between the engine and the rest. */
export function kvPath(
  mount: KvMount,
  path: string,
  word: "data" | "metadata",
): string {
  return mount.versioned
    ? `${mount.path}${word}/${path.slice(mount.path.length)}`
    : path;
}

const MOST_KEYS = 10_000;

/** Opens the calls. */
export function openKv(transport: VaultTransport): Kv {
  const call = openClient(transport);
  return {
    mountOf: async (token, path) =>
      fromMount(
        await call(`to tell which engine ${path} is in`, token, (client) =>
          client.read(`sys/internal/ui/mounts/${path}`),
        ),
        path,
      ),
    read: async (token, mount, path) => {
      const body = await absent(
        call(`to read ${path}`, token, (client) =>
          client.read(kvPath(mount, path, "data")),
        ),
      );
      return body === undefined ? undefined : fromRead(body, mount);
    },
    list: async (token, mount, path) => {
      const body = await absent(
        call(`to list ${path}`, token, (client) =>
          client.list(kvPath(mount, path, "metadata")),
        ),
      );
      return body === undefined ? [] : fromList(body);
    },
  };
}

async function absent(work: Promise<unknown>): Promise<unknown> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof VaultRefused && error.status === 404) {
      return undefined;
    }
    throw error;
  }
}

function fromMount(body: unknown, path: string): KvMount {
  const { root, type, version } = shaped(() => {
    const data = new Fields(body).object("data");
    const mount = data.text("path", { max: 512 });
    const options = data.take("options");
    const given: unknown =
      typeof options === "object" && options !== null
        ? Reflect.get(options, "version")
        : undefined;
    return {
      root: mount.endsWith("/") ? mount : `${mount}/`,
      type: data.text("type"),
      version: given,
    };
  });
  if (!path.startsWith(root) || !/^(?:kv|generic)$/.test(type)) {
    throw new VaultRefused(
      `to read ${path} as a document: it is in no KV engine`,
      404,
    );
  }
  return { path: root, versioned: version === "2" };
}

function fromRead(body: unknown, { versioned }: KvMount): unknown {
  return shaped(() => {
    const fields = new Fields(body);
    // A version that was deleted has no data and is answered with 404; one that says null has nothing to read either.
    const found = versioned
      ? fields.object("data").take("data")
      : fields.take("data");
    return found ?? undefined;
  });
}

function fromList(body: unknown): readonly string[] {
  return shaped(() =>
    new Fields(body)
      .object("data")
      .list("keys", MOST_KEYS, (value, at) => text(value, at)),
  );
}
