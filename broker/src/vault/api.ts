// The rare calls to Vault, through node-vault: logging in, renewing, and the broker's look at itself.

import { Fields, Refusal, Secret, text } from "@vaultbuddy/common";
import nodeVault from "node-vault";
import type { VaultTransport } from "./transport.ts";

/** Vault answered, and its answer was no: a credential or a policy of ours is wrong. `status` is Vault's. */
export class VaultRefused extends Error {
  override readonly name = "VaultRefused";
  readonly ours = true;
  readonly status: number;

  constructor(what: string, status: number) {
    super(`Vault refused ${what} (${status})`);
    this.status = status;
  }
}

/** A token of the broker's own. Times in seconds. */
export interface OwnToken {
  readonly token: Secret;
  /** Undefined for one that never ends, as a root token does. */
  readonly ttl: number | undefined;
  readonly renewable: boolean;
  readonly policies: readonly string[];
}

/** What the broker asks of Vault about itself. Each throws {@link VaultRefused} or Refusal `vault_unavailable`. */
export interface VaultApi {
  lookupSelf(token: Secret): Promise<OwnToken>;
  renewSelf(token: Secret): Promise<OwnToken>;
  loginAppRole(
    roleId: string,
    secretId: Secret,
    mount: string,
  ): Promise<OwnToken>;
  /** The token's capabilities on each path. */
  capabilities(
    token: Secret,
    paths: readonly string[],
  ): Promise<ReadonlyMap<string, readonly string[]>>;
}

/** Opens the rare calls over a transport. */
export function openVaultApi(transport: VaultTransport): VaultApi {
  const call = async (
    what: string,
    work: () => Promise<unknown>,
  ): Promise<unknown> => {
    try {
      return await work();
    } catch (error) {
      throw translate(what, error);
    }
  };
  const client = (token?: Secret): nodeVault.client =>
    clientOver(transport, token);
  return {
    lookupSelf: async (token) =>
      fromLookup(
        await call("to look up the broker's own token", () =>
          client(token).tokenLookupSelf(),
        ),
        token,
      ),
    renewSelf: async (token) =>
      fromAuth(
        await call("to renew the broker's own token", () =>
          client(token).tokenRenewSelf({}),
        ),
      ),
    loginAppRole: async (roleId, secretId, mount) =>
      fromAuth(
        await call("the broker's AppRole login", () =>
          client().approleLogin({
            mount_point: mount,
            role_id: roleId,
            secret_id: secretId.expose(),
          }),
        ),
      ),
    capabilities: async (token, paths) =>
      fromCapabilities(
        await call("to tell the broker's own capabilities", () =>
          client(token).write("sys/capabilities-self", { paths }),
        ),
        paths,
      ),
  };
}

interface NodeVaultRequest {
  readonly method: string;
  readonly uri: string;
  readonly headers?: Record<string, string>;
  readonly json?: unknown;
}

function clientOver(
  transport: VaultTransport,
  token?: Secret,
): nodeVault.client {
  const send = async (ask: NodeVaultRequest): Promise<unknown> => {
    const path = new URL(ask.uri).pathname.replace(/^.*?\/v1\//, "");
    const answer = await transport.ask({
      method: method(ask.method),
      path,
      ...(token === undefined ? {} : { token }),
      ...(typeof ask.json === "object" ? { body: ask.json } : {}),
    });
    return { statusCode: answer.status, body: answer.body, request: { path } };
  };
  return nodeVault({
    endpoint: transport.addr,
    // Given as text that is no token: otherwise node-vault falls back to VAULT_TOKEN of the environment.
    token: "unused: the transport sets it",
    debug: () => undefined,
    "request-promise": { defaults: () => send },
  } as nodeVault.VaultOptions);
}

function method(name: string): "GET" | "POST" | "PUT" | "LIST" | "DELETE" {
  const found = (["GET", "POST", "PUT", "LIST", "DELETE"] as const).find(
    (one) => one === name,
  );
  if (found === undefined) {
    throw new TypeError(`node-vault asked for an unknown method`);
  }
  return found;
}

function translate(what: string, error: unknown): unknown {
  if (error instanceof Refusal) {
    return error;
  }
  const response: unknown =
    error instanceof Error ? Reflect.get(error, "response") : undefined;
  const status: unknown =
    typeof response === "object" && response !== null
      ? Reflect.get(response, "statusCode")
      : undefined;
  // Vault's own text stays behind: it may quote what was sent.
  return typeof status === "number"
    ? new VaultRefused(what, status)
    : new Refusal(
        "vault_unavailable",
        "Vault's answer could not be understood",
      );
}

function shaped<Value>(read: () => Value): Value {
  try {
    return read();
  } catch {
    throw new Refusal(
      "vault_unavailable",
      "Vault's answer does not have the documented shape",
    );
  }
}

function fromLookup(body: unknown, token: Secret): OwnToken {
  return shaped(() => {
    const data = new Fields(body).object("data");
    // The ttl is in whole seconds: 0 is also that of a token in its last one. Only a missing end is no end.
    const endless = data.take("expire_time") === null;
    const ttl = data.integer("ttl", 0, 2 ** 40);
    return {
      token,
      ttl: endless ? undefined : ttl,
      renewable: data.optionalBoolean("renewable") ?? false,
      policies: data.list("policies", 1000, (value, at) => text(value, at)),
    };
  });
}

function fromAuth(body: unknown): OwnToken {
  return shaped(() => {
    const auth = new Fields(body).object("auth");
    return {
      token: new Secret(auth.text("client_token")),
      ttl: auth.integer("lease_duration", 0, 2 ** 40),
      renewable: auth.boolean("renewable"),
      policies: auth.list("policies", 1000, (value, at) => text(value, at)),
    };
  });
}

function fromCapabilities(
  body: unknown,
  paths: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  return shaped(() => {
    const data = new Fields(body).object("data");
    return new Map(
      paths.map(
        (path) =>
          [path, data.list(path, 20, (value, at) => text(value, at))] as const,
      ),
    );
  });
}
