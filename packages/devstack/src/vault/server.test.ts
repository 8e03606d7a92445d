import { request } from "node:http";
import { get as getHttps } from "node:https";
import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { bodyLimit } from "./http-request.ts";
import { startVault } from "./server.ts";
import type { VaultOptions, VaultServer } from "./server.ts";

const open: VaultServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((vault) => vault.close()));
});

async function start(options: VaultOptions = {}): Promise<VaultServer> {
  const vault = await startVault({ rootToken: "root", ...options });
  open.push(vault);
  return vault;
}

interface Got {
  readonly status: number;
  readonly text: string;
}

function send(
  addr: string,
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = { "X-Vault-Token": "root" },
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      `${addr}${path}`,
      { method, headers, agent: false, signal: AbortSignal.timeout(10_000) },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            text: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

const mounts = "/v1/sys/mounts";

test("sealed, it says so to everyone, and unsealing brings all back", async () => {
  const { addr, unsealKey } = await start();
  const body = JSON.stringify({ data: { a: "1" } });
  await send(addr, "POST", "/v1/secret/data/x", body);
  expect((await send(addr, "PUT", "/v1/sys/seal", "", {})).status).toBe(500);
  expect((await send(addr, "PUT", "/v1/sys/seal")).status).toBe(204);
  expect((await send(addr, "GET", "/v1/sys/health")).status).toBe(503);
  expect(
    (await send(addr, "GET", "/v1/sys/health?sealedcode=299")).status,
  ).toBe(299);
  expect(
    JSON.parse((await send(addr, "GET", "/v1/sys/seal-status")).text),
  ).toMatchObject({ sealed: true, initialized: true });
  expect(await send(addr, "GET", mounts, undefined, {})).toEqual({
    status: 503,
    text: '{"errors":["Vault is sealed"]}\n',
  });
  expect(await send(addr, "GET", mounts)).toEqual({
    status: 503,
    text: '{"errors":["error performing token check: Vault is sealed"]}\n',
  });
  const unseal = (key: unknown): Promise<Got> =>
    send(addr, "PUT", "/v1/sys/unseal", JSON.stringify({ key }));
  expect((await unseal("00".repeat(32))).status).toBe(400);
  expect((await unseal("short")).status).toBe(400);
  expect((await unseal("")).text).toContain("'key' must be specified");
  expect(JSON.parse((await unseal(unsealKey)).text)).toMatchObject({
    sealed: false,
  });
  expect((await send(addr, "GET", "/v1/secret/data/x")).text).toContain(
    '"data":{"a":"1"}',
  );
});

test("a broken header is refused by every path that reads it", async () => {
  const { addr } = await start();
  const headers = { "X-Vault-Token": "root", "X-Vault-Wrap-TTL": "soon" };
  for (const path of ["/v1/sys/seal", "/v1/secret/data/x"])
    expect((await send(addr, "PUT", path, "", headers)).status).toBe(400);
});

test("sealing needs update and sudo", async () => {
  const { addr } = await start();
  const policy = JSON.stringify({
    policy: 'path "sys/seal" { capabilities = ["update"] }',
  });
  await send(addr, "PUT", "/v1/sys/policies/acl/sealer", policy);
  const made = await send(
    addr,
    "POST",
    "/v1/auth/token/create",
    '{"policies":["sealer"]}',
  );
  const { auth } = JSON.parse(made.text) as { auth: { client_token: string } };
  const refused = await send(addr, "PUT", "/v1/sys/seal", "", {
    "X-Vault-Token": auth.client_token,
  });
  expect(refused).toEqual({
    status: 403,
    text: '{"errors":["1 error occurred:\\n\\t* permission denied\\n\\n"]}\n',
  });
});

test("it can pretend to be what one server alone can't be", async () => {
  const vault = await start();
  const health = async (query = ""): Promise<number> =>
    (await send(vault.addr, "GET", `/v1/sys/health${query}`)).status;
  vault.setMode("standby");
  expect([
    await health(),
    await health("?standbyok=true"),
    await health("?standbyok=false"),
    await health("?standbycode=299"),
  ]).toEqual([429, 200, 429, 299]);
  vault.setMode("performance-standby");
  expect([await health(), await health("?perfstandbyok=true")]).toEqual([
    473, 200,
  ]);
  vault.setMode("dr-secondary");
  expect([await health(), await health("?drsecondarycode=298")]).toEqual([
    472, 298,
  ]);
  vault.setMode("uninitialized");
  expect([await health(), await health("?uninitcode=297")]).toEqual([501, 297]);
});

test("the clock is the caller's", async () => {
  let now = Date.UTC(2026, 0, 1);
  const { addr } = await start({ now: () => now });
  const made = await send(
    addr,
    "POST",
    "/v1/auth/token/create",
    '{"ttl":"1h","policies":["default"]}',
  );
  const { auth } = JSON.parse(made.text) as { auth: { client_token: string } };
  const self = (): Promise<Got> =>
    send(addr, "GET", "/v1/auth/token/lookup-self", undefined, {
      "X-Vault-Token": auth.client_token,
    });
  expect((await self()).text).toContain(
    '"issue_time":"2026-01-01T00:00:00.000Z"',
  );
  now += 3_600_000;
  expect((await self()).status).toBe(403);
});

test("the audit has accessors and no token, key or secret", async () => {
  const vault = await start({ rootToken: "root-canary" });
  const { addr } = vault;
  const root = { "X-Vault-Token": "root-canary" };
  const heard: string[] = [];
  const stop = vault.audit.listen((entry) => heard.push(entry.path));
  await send(
    addr,
    "POST",
    "/v1/secret/data/x",
    '{"data":{"k":"secret-canary"}}',
    root,
  );
  const wrapped = await send(addr, "POST", "/v1/auth/token/create", "{}", {
    ...root,
    "X-Vault-Wrap-TTL": "60s",
  });
  const { wrap_info: info } = JSON.parse(wrapped.text) as {
    wrap_info: Record<string, string>;
  };
  const token = String(info["token"]);
  await send(
    addr,
    "GET",
    `/v1/auth/token/lookup/${token}?token=${token}`,
    undefined,
    root,
  );
  await send(
    addr,
    "POST",
    "/v1/sys/wrapping/unwrap",
    JSON.stringify({ token }),
    root,
  );
  stop();
  await send(addr, "GET", mounts, undefined, root);
  expect(heard).toHaveLength(4);
  expect(vault.audit.entries[1]).toMatchObject({
    method: "POST",
    path: "auth/token/create",
    status: 200,
    wrapTtl: 60_000,
    tokenAccessorCreated: info["wrapped_accessor"],
    wrappingAccessorCreated: info["accessor"],
  });
  const kept = JSON.stringify(vault.audit.entries);
  for (const canary of ["root-canary", "secret-canary", token])
    expect(kept).not.toContain(canary);
  expect(
    vault.audit.entries.every((entry) => entry.accessorOfCaller !== undefined),
  ).toBe(true);
});

test("faults strike the paths they name, as often as they say", async () => {
  const vault = await start();
  const { addr, faults } = vault;
  faults.add({
    kind: "answer",
    prefix: "sys/mounts",
    status: 503,
    body: "<html>",
    times: 1,
  });
  expect(await send(addr, "GET", mounts)).toEqual({
    status: 503,
    text: "<html>",
  });
  expect((await send(addr, "GET", mounts)).status).toBe(200);

  faults.add({ kind: "half", prefix: "sys/mounts", times: 1 });
  const half = await send(addr, "GET", mounts);
  expect(half.status).toBe(200);
  expect(() => JSON.parse(half.text) as unknown).toThrow();

  faults.add({ kind: "truncate", prefix: "sys/mounts", times: 1 });
  await expect(send(addr, "GET", mounts)).rejects.toThrow("aborted");

  faults.add({
    kind: "oversize",
    prefix: "sys/mounts",
    bytes: 1_000_000,
    times: 1,
  });
  expect((await send(addr, "GET", mounts)).text.length).toBeGreaterThan(
    1_000_000,
  );

  faults.add({ kind: "delay", prefix: "", ms: 1, times: 1 });
  expect((await send(addr, "GET", mounts)).status).toBe(200);

  faults.add({ kind: "hang", prefix: "", method: "PUT" });
  const hanging = send(addr, "PUT", mounts);
  expect((await send(addr, "GET", mounts)).status).toBe(200);
  expect(vault.audit.entries).toContainEqual(
    expect.objectContaining({ method: "PUT", status: 0, fault: "hang" }),
  );
  const ended = expect(hanging).rejects.toThrow();
  await vault.close();
  await ended;
});

test("an answer can be lost before or after the work", async () => {
  const { addr, faults } = await start();
  const write = (n: number): Promise<Got> =>
    send(addr, "POST", "/v1/secret/data/lost", JSON.stringify({ data: { n } }));
  faults.add({ kind: "drop", prefix: "secret/", when: "before", times: 1 });
  await expect(write(1)).rejects.toThrow("socket hang up");
  expect((await send(addr, "GET", "/v1/secret/data/lost")).status).toBe(404);
  faults.add({ kind: "drop", prefix: "secret/", when: "after", times: 1 });
  await expect(write(2)).rejects.toThrow("socket hang up");
  expect((await send(addr, "GET", "/v1/secret/data/lost")).text).toContain(
    '"n":2',
  );
});

test("another process reaches all of it over the remote control, and only when asked for", async () => {
  const vault = await start({ control: true });
  const remote = vault.controlAddr ?? "";
  const order = (method: string, path: string, body?: unknown): Promise<Got> =>
    send(remote, method, path, JSON.stringify(body));
  expect(
    (
      await order("PUT", "/faults", [
        { kind: "answer", prefix: "sys/", status: 500, body: "x" },
      ])
    ).status,
  ).toBe(204);
  expect((await send(vault.addr, "GET", mounts)).status).toBe(500);
  expect((await order("DELETE", "/faults")).status).toBe(204);
  expect((await order("POST", "/faults", { kind: "odd" })).status).toBe(400);
  expect((await order("PUT", "/mode", { mode: "standby" })).status).toBe(204);
  expect((await send(vault.addr, "GET", "/v1/sys/health")).status).toBe(429);
  expect((await order("PUT", "/mode", { mode: "active" })).status).toBe(204);
  expect((await order("PUT", "/sealed", { sealed: true })).status).toBe(204);
  expect((await send(vault.addr, "GET", "/v1/sys/health")).status).toBe(503);
  expect((await order("POST", "/clock", { advance: 1000 })).status).toBe(204);
  expect(JSON.parse((await order("GET", "/audit")).text)).toHaveLength(3);
  expect((await order("GET", "/nosuch")).status).toBe(400);
  expect((await start()).controlAddr).toBeUndefined();
});

test("a body over 32 MiB is refused, and the next request is served", async () => {
  const { addr } = await start();
  const huge = `{"data":{"x":"${"x".repeat(bodyLimit)}"}}`;
  expect(await send(addr, "POST", "/v1/secret/data/x", huge)).toEqual({
    status: 413,
    text: '{"errors":["error parsing JSON"]}\n',
  });
  expect((await send(addr, "GET", mounts)).status).toBe(200);
});

test("outside of /v1/ there is nothing, and a path that isn't UTF-8 is refused", async () => {
  const { addr } = await start();
  expect(await send(addr, "GET", "/v2/sys/health")).toEqual({
    status: 404,
    text: '{"errors":[]}\n',
  });
  expect((await send(addr, "GET", "/v1/secret/%ff")).status).toBe(400);
});

test("noise on the socket ends that connection and no other", async () => {
  const { addr } = await start();
  const { port, hostname } = new URL(addr);
  const closed = new Promise<void>((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.on("close", () => resolve());
    socket.on("error", () => undefined);
    socket.resume();
    socket.end("\u0000\u0001 no http at all\r\n\r\n");
  });
  await closed;
  expect((await send(addr, "GET", "/v1/sys/health")).status).toBe(200);
});

test("requests on one connection are served in turn, LIST among them", async () => {
  const { addr } = await start();
  const { port, hostname } = new URL(addr);
  const head = "Host: x\r\nX-Vault-Token: root\r\n";
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let seen = "";
    socket.setEncoding("utf8");
    socket.on("data", (piece: string) => (seen += piece));
    socket.on("error", reject);
    socket.on("close", () => resolve(seen));
    socket.write(
      `GET /v1/sys/health HTTP/1.1\r\n${head}\r\nLIST /v1/sys/policies/acl HTTP/1.1\r\n${head}\r\n` +
        `LIST /v1/secret/metadata HTTP/1.1\r\n${head}Connection: close\r\n\r\n`,
    );
  });
  expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual([
    "HTTP/1.1 200",
    "HTTP/1.1 200",
    "HTTP/1.1 404",
  ]);
});

// Made for this test, for 127.0.0.1 from 2020 to 2120; it guards nothing.
const tls = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgOAGUnOsVRcRmY7mD
dCIbq55N60djX6QJC1I7hIh4orKhRANCAAR4vv1mz2reC1S/s1lT0wbbpPfnphxQ
yK3pMYcb4wUzP5RjViMXAZVK8B3F2t5ReToc6Tpt3ZiyluQaTOmK0kZg
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBYzCCAQqgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHi+/WbPat4LVL+z
WVPTBtuk9+emHFDIrekxhxvjBTM/lGNWIxcBlUrwHcXa3lF5OhzpOm3dmLKW5BpM
6YrSRmCjSzBJMAwGA1UdEwQFMAMBAf8wGgYDVR0RBBMwEYIJbG9jYWxob3N0hwR/
AAABMB0GA1UdDgQWBBRiugyjPiyuYLtF3dQQxj5RZL7FIzAKBggqhkjOPQQDAgNH
ADBEAiB1ulaYby2KLIpVloYfvsEe20TqS+sYq+7KQPAdOJyyOQIgMtwwGDHqOlri
Wii6+wSAVc0DrTr6sBxoFY90HJ2H9z4=
-----END CERTIFICATE-----`,
};

test("with a certificate it speaks HTTPS, and plain HTTP gets nothing", async () => {
  const { addr } = await start({ tls });
  expect(addr).toMatch(/^https:/);
  const status = await new Promise<number>((resolve, reject) => {
    getHttps(
      `${addr}/v1/sys/health`,
      { ca: tls.cert, agent: false },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    ).on("error", reject);
  });
  expect(status).toBe(200);
  await expect(
    send(addr.replace("https:", "http:"), "GET", "/v1/sys/health"),
  ).rejects.toThrow();
});

test("a sealed server counts itself as a standby", async () => {
  const vault = await start();
  vault.setSealed(true);
  const { text } = await send(vault.addr, "GET", "/v1/sys/health");
  expect(JSON.parse(text)).toMatchObject({ sealed: true, standby: true });
});

test("revoke-prefix ends the tokens of one role", async () => {
  const { addr } = await start();
  for (const role of ["web", "webber"])
    await send(addr, "POST", `/v1/auth/token/roles/${role}`, "{}");
  const make = async (role: string): Promise<string> => {
    const made = await send(
      addr,
      "POST",
      `/v1/auth/token/create/${role}`,
      '{"policies":["default"]}',
    );
    const { auth } = JSON.parse(made.text) as { auth: { accessor: string } };
    return auth.accessor;
  };
  const [web, webber] = [await make("web"), await make("webber")];
  const revoked = await send(
    addr,
    "PUT",
    "/v1/sys/leases/revoke-prefix/auth/token/create/web",
  );
  expect(revoked).toEqual({ status: 202, text: "" });
  const lookup = async (accessor: string): Promise<number> =>
    (
      await send(
        addr,
        "POST",
        "/v1/auth/token/lookup-accessor",
        JSON.stringify({ accessor }),
      )
    ).status;
  expect([await lookup(web), await lookup(webber)]).toEqual([400, 200]);
});
