// The rare calls to Vault, through node-vault: logging in, renewing, unwrapping, and the broker's look at itself.

import { Fields, Secret, text } from "@vaultbuddy/common";
import { openClient, shaped } from "./client.ts";
import type { VaultTransport } from "./transport.ts";

export { VaultRefused } from "./client.ts";

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
  /** Writes to an auth method's login path; `what` says in messages which login it is. */
  login(
    what: string,
    path: string,
    body: Readonly<Record<string, string>>,
  ): Promise<OwnToken>;
  /** The path at which a wrapping token was made. It costs no use. */
  lookupWrapping(token: Secret): Promise<string>;
  /** Opens a wrapping token that has a login's answer or a new token inside. */
  unwrap(token: Secret): Promise<OwnToken>;
  /** A token kept as text under a key in another token's cubbyhole. */
  cubbyhole(token: Secret, path: string): Promise<Secret>;
  /** The token's capabilities on each path. */
  capabilities(
    token: Secret,
    paths: readonly string[],
  ): Promise<ReadonlyMap<string, readonly string[]>>;
  /** What bounds tokens made through a token role. */
  tokenRole(token: Secret, role: string): Promise<TokenRole>;
}

/** What a token role says, as far as the broker cares. Times in seconds, 0 for none. */
export interface TokenRole {
  readonly explicitMaxTtl: number;
  readonly orphan: boolean;
  readonly renewable: boolean;
  /** Whether it names the policies that a token may have. */
  readonly namesPolicies: boolean;
}

/** Opens the rare calls over a transport. */
export function openVaultApi(transport: VaultTransport): VaultApi {
  const call = openClient(transport);
  return {
    lookupSelf: async (token) =>
      fromLookup(
        await call("to look up the broker's own token", token, (client) =>
          client.tokenLookupSelf(),
        ),
        token,
      ),
    renewSelf: async (token) =>
      fromAuth(
        await call("to renew the broker's own token", token, (client) =>
          client.tokenRenewSelf({}),
        ),
      ),
    login: async (what, path, body) =>
      fromAuth(
        await call(what, undefined, (client) => client.write(path, body)),
      ),
    lookupWrapping: async (token) =>
      fromWrapping(
        await call("to look up the wrapping token", undefined, (client) =>
          client.write("sys/wrapping/lookup", { token: token.expose() }),
        ),
      ),
    unwrap: async (token) =>
      fromAuth(
        await call("to open the wrapping token", token, (client) =>
          client.write("sys/wrapping/unwrap", {}),
        ),
      ),
    cubbyhole: async (token, path) =>
      fromCubbyhole(
        await call("to read the cubbyhole", token, (client) =>
          client.read(`cubbyhole/${path}`),
        ),
      ),
    capabilities: async (token, paths) =>
      fromCapabilities(
        await call("to tell the broker's own capabilities", token, (client) =>
          client.write("sys/capabilities-self", { paths }),
        ),
        paths,
      ),
    tokenRole: async (token, role) =>
      fromRole(
        await call(`to read the token role ${role}`, token, (client) =>
          client.read(`auth/token/roles/${role}`),
        ),
      ),
  };
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

function fromWrapping(body: unknown): string {
  return shaped(() =>
    new Fields(body).object("data").text("creation_path", { max: 1024 }),
  );
}

function fromCubbyhole(body: unknown): Secret {
  return shaped(
    () => new Secret(new Fields(body).object("data").text("token")),
  );
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

function fromRole(body: unknown): TokenRole {
  return shaped(() => {
    const data = new Fields(body).object("data");
    const count = (name: string): number =>
      data.has(name) && data.take(name) !== null
        ? data.list(name, 10_000, (value, at) => text(value, at)).length
        : 0;
    return {
      // Vault has the field under its old name as well, for roles that were written with it.
      explicitMaxTtl: Math.max(
        data.optionalInteger("token_explicit_max_ttl", 0, 2 ** 40) ?? 0,
        data.optionalInteger("explicit_max_ttl", 0, 2 ** 40) ?? 0,
      ),
      orphan: data.boolean("orphan"),
      renewable: data.boolean("renewable"),
      namesPolicies:
        count("allowed_policies") + count("allowed_policies_glob") > 0,
    };
  });
}
