// Puts into a Vault what an operator puts there before the broker starts: its policy, its token role, its login, the
// policies of the families and some secrets. Works on the stand-in and on a real dev server alike.

import { readFileSync } from "node:fs";
import { Secret } from "@vaultbuddy/common";
import { request } from "@vaultbuddy/common/daemon";
import { Agent } from "undici";

/** The broker's own policy, as it is shipped. */
export const brokerPolicy = readFileSync(
  new URL("../../../../deploy/vault/broker-policy.hcl", import.meta.url),
  "utf8",
);

/** A Vault with its root token, for setting things up. */
export class VaultAdmin {
  readonly #addr: string;
  readonly #token: Secret;
  readonly #agent = new Agent();

  constructor(addr: string, rootToken: string) {
    this.#addr = addr;
    this.#token = new Secret(rootToken);
  }

  /** Asks as root. Throws for any answer of 400 and above, with its status and Vault's errors: this is no product code. */
  async ask(
    method: "GET" | "POST" | "PUT" | "LIST" | "DELETE",
    path: string,
    body?: unknown,
  ): Promise<unknown> {
    const answer = await request({
      method,
      url: `${this.#addr}/v1/${path}`,
      headers: { "X-Vault-Token": this.#token.expose() },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      timeout: 10_000,
      maxBytes: 1024 * 1024,
      dispatcher: this.#agent,
    });
    if (answer.status >= 400) {
      throw new Error(
        `Vault answered ${answer.status} to ${method} ${path}: ${answer.body.toString()}`,
      );
    }
    return answer.body.length === 0
      ? undefined
      : JSON.parse(answer.body.toString());
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }
}

/** What the broker logs in with. */
export interface BrokerLogin {
  readonly roleId: string;
  readonly secretId: Secret;
}

/**
 * Writes the broker's policy, role and AppRole, and for each family a policy that reads `secret/<family>` and
 * `secret/shared`, with the secrets given. Answers the broker's login.
 */
export async function setUpVault(
  admin: VaultAdmin,
  secrets: Readonly<Record<string, Readonly<Record<string, string>>>>,
  families: readonly string[],
): Promise<BrokerLogin> {
  await admin.ask("PUT", "sys/policies/acl/vaultbuddy-broker", {
    policy: brokerPolicy,
  });
  for (const family of families) {
    await admin.ask("PUT", `sys/policies/acl/${family}`, {
      policy: [family, "shared"]
        .map((path) => `path "secret/data/${path}" { capabilities = ["read"] }`)
        .join("\n"),
    });
  }
  for (const [path, data] of Object.entries(secrets)) {
    await admin.ask("POST", `secret/data/${path}`, { data });
  }
  await admin.ask("POST", "auth/token/roles/vaultbuddy", {
    allowed_policies: families,
    orphan: true,
    renewable: true,
    token_explicit_max_ttl: "24h",
  });
  await admin.ask("POST", "sys/auth/approle", { type: "approle" });
  await admin.ask("POST", "auth/approle/role/vaultbuddy-broker", {
    token_policies: ["vaultbuddy-broker"],
    token_ttl: "20m",
    token_max_ttl: "24h",
  });
  const role = await admin.ask(
    "GET",
    "auth/approle/role/vaultbuddy-broker/role-id",
  );
  const secret = await admin.ask(
    "POST",
    "auth/approle/role/vaultbuddy-broker/secret-id",
    {},
  );
  return {
    roleId: dataOf(role, "role_id"),
    secretId: new Secret(dataOf(secret, "secret_id")),
  };
}

function dataOf(answer: unknown, name: string): string {
  const data: unknown =
    typeof answer === "object" && answer !== null
      ? Reflect.get(answer, "data")
      : undefined;
  const value: unknown =
    typeof data === "object" && data !== null
      ? Reflect.get(data, name)
      : undefined;
  if (typeof value !== "string") {
    throw new Error(`Vault's answer holds no ${name}`);
  }
  return value;
}
