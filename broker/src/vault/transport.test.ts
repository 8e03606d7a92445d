// Vault's answers are Vault's only when they look like it, and a call always ends.

import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Secret } from "@vaultbuddy/common";
import { afterEach, describe, expect, test } from "vitest";
import { openAccessors } from "./accessors.ts";
import { openVaultApi, VaultRefused } from "./api.ts";
import { VaultTransport } from "./transport.ts";

const token = new Secret("s.marked");
const opened: { server: Server; transport: VaultTransport }[] = [];

afterEach(async () => {
  for (const { server, transport } of opened.splice(0)) {
    server.closeAllConnections();
    server.close();
    await transport.close().catch(() => undefined);
  }
});

async function vault(
  listener: RequestListener,
  more: object = {},
): Promise<VaultTransport> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const transport = new VaultTransport({
    addr: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    namespace: undefined,
    ca: undefined,
    timeout: 300,
    ...more,
  });
  opened.push({ server, transport });
  return transport;
}

const json =
  (status: number, body: unknown): RequestListener =>
  (_request, response) => {
    response
      .writeHead(status, { "content-type": "application/json" })
      .end(JSON.stringify(body));
  };

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}

describe("the transport", () => {
  test("sends what Vault asks for", async () => {
    const seen: unknown[] = [];
    const transport = await vault(
      (request, response) => {
        void bodyOf(request).then((body) => {
          seen.push(request.method, request.url, request.headers, body);
          response.end("{}");
        });
      },
      { namespace: "team" },
    );
    await transport.ask({
      method: "POST",
      path: "a/b",
      token,
      body: { x: 1 },
      wrapTtl: 60,
    });
    expect(seen).toMatchObject([
      "POST",
      "/v1/a/b",
      {
        "x-vault-token": "s.marked",
        "x-vault-wrap-ttl": "60s",
        "x-vault-namespace": "team",
        "x-vault-request": "true",
      },
      { x: 1 },
    ]);
  });

  test.each<[string, RequestListener]>([
    ["a page", (_q, r) => r.end("<html>marked</html>")],
    [
      "half an answer",
      (_q, r) => r.writeHead(200, { "content-length": 100 }).end("{"),
    ],
    ["too much", (_q, r) => r.end(`"${"x".repeat(2 ** 21)}"`)],
    ["nothing in time", () => undefined],
    ["a closed connection", (q) => q.socket.destroy()],
    [
      "a redirect",
      (_q, r) => r.writeHead(307, { location: "http://127.0.0.1:1" }).end(),
    ],
    ["429", json(429, { errors: [] })],
    ["472", json(472, {})],
    ["473", json(473, {})],
    ["503", json(503, { errors: ["Vault is sealed"] })],
  ])("takes %s as Vault being away", async (_name, listener) => {
    const failure: unknown = await (
      await vault(listener)
    )
      .ask({ method: "GET", path: "x", token })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "vault_unavailable" });
    expect(String(failure)).not.toContain("marked");
  });

  test("gives back Vault's own refusals", async () => {
    const transport = await vault(json(403, { errors: ["permission denied"] }));
    expect(await transport.ask({ method: "GET", path: "x" })).toEqual({
      status: 403,
      body: { errors: ["permission denied"] },
    });
  });
});

describe("the rare calls", () => {
  test("log in and look at themselves through the same transport", async () => {
    const asked: string[] = [];
    const transport = await vault((request, response) => {
      asked.push(
        `${request.method ?? ""} ${request.url ?? ""} ${String(request.headers["x-vault-token"])}`,
      );
      response.end(
        JSON.stringify({
          auth: {
            client_token: "s.new",
            lease_duration: 60,
            renewable: true,
            policies: ["a"],
          },
          data: {
            ttl: 5,
            renewable: false,
            policies: ["b"],
            "p/q": ["update"],
          },
        }),
      );
    });
    const api = openVaultApi(transport);
    const own = await api.login("a login", "auth/approle/login", {
      role_id: "role",
      secret_id: "sid",
    });
    expect([own.token.expose(), own.ttl]).toEqual(["s.new", 60]);
    expect((await api.lookupSelf(token)).policies).toEqual(["b"]);
    expect((await api.renewSelf(token)).token.expose()).toBe("s.new");
    expect(await api.capabilities(token, ["p/q"])).toEqual(
      new Map([["p/q", ["update"]]]),
    );
    expect(asked).toEqual([
      "POST /v1/auth/approle/login undefined",
      "GET /v1/auth/token/lookup-self s.marked",
      "POST /v1/auth/token/renew-self s.marked",
      "POST /v1/sys/capabilities-self s.marked",
    ]);
  });

  test("take no token for endless but one without an end", async () => {
    const looked = async (
      expire_time: string | null,
    ): Promise<number | undefined> =>
      (
        await openVaultApi(
          await vault(
            json(200, {
              data: { ttl: 0, expire_time, renewable: false, policies: [] },
            }),
          ),
        ).lookupSelf(token)
      ).ttl;
    expect(await looked(null)).toBeUndefined();
    expect(await looked("2026-01-01T00:00:00Z")).toBe(0);
  });

  test("tell a refusal from an outage, without Vault's text", async () => {
    const refused: unknown = await openVaultApi(
      await vault(json(400, { errors: ["marked"] })),
    )
      .lookupSelf(token)
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(VaultRefused);
    expect(String(refused)).not.toContain("marked");
    const api = openVaultApi(await vault(json(200, { data: { ttl: "soon" } })));
    await expect(api.lookupSelf(token)).rejects.toMatchObject({
      code: "vault_unavailable",
    });
  });
});

describe("accessors", () => {
  test.each<[number, unknown, string]>([
    [200, { data: {} }, "alive"],
    [400, { errors: ["1 error occurred:\n\t* invalid accessor\n\n"] }, "gone"],
  ])("%i means %j is %s", async (status, body, said) => {
    const accessors = openAccessors(
      await vault(json(status, body)),
      () => token,
    );
    expect(await accessors.lookupAccessor("a")).toBe(said);
  });

  test.each<[number, unknown]>([
    [403, { errors: ["1 error occurred:\n\t* invalid accessor\n\n"] }],
    [403, { errors: ["permission denied"] }],
    [400, { errors: ["missing accessor"] }],
    [404, { errors: [] }],
  ])("%i %j says nothing about a token", async (status, body) => {
    const accessors = openAccessors(
      await vault(json(status, body)),
      () => token,
    );
    await expect(accessors.lookupAccessor("a")).rejects.toMatchObject({
      code: "vault_unavailable",
    });
  });

  test("revoking does not judge by the status", async () => {
    const accessors = openAccessors(
      await vault(json(400, { errors: [] })),
      () => token,
    );
    await expect(accessors.revokeAccessor("a")).resolves.toBeUndefined();
  });
});
