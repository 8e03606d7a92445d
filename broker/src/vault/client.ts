// node-vault, put upon our own bounded transport: its own follows redirects with the token, obeys proxies of the
// environment and reads without a cap. What it throws becomes a refusal or an outage here, without Vault's text.

import { Refusal } from "@vaultbuddy/common";
import type { Secret } from "@vaultbuddy/common";
import nodeVault from "node-vault";
import type { VaultAsk, VaultTransport } from "./transport.ts";

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

/** A question of node-vault's, with the broker's token when there is one. */
export type Call = (
  what: string,
  token: Secret | undefined,
  work: (client: nodeVault.client) => Promise<unknown>,
) => Promise<unknown>;

/** Opens the calls. Each throws {@link VaultRefused} or Refusal `vault_unavailable`; `what` says which in messages. */
export function openClient(transport: VaultTransport): Call {
  return async (what, token, work) => {
    try {
      return await work(clientOver(transport, token));
    } catch (error) {
      throw translate(what, error);
    }
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
  token: Secret | undefined,
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

const methods = ["GET", "POST", "PUT", "LIST", "DELETE"] as const;

function method(name: string): VaultAsk["method"] {
  const found = methods.find((one) => one === name);
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

/** Reads an answer. Throws Refusal `vault_unavailable` when it does not have the documented shape. */
export function shaped<Value>(read: () => Value): Value {
  try {
    return read();
  } catch {
    throw new Refusal(
      "vault_unavailable",
      "Vault's answer does not have the documented shape",
    );
  }
}
