import type { ServerResponse } from "node:http";
import { Secret } from "@vaultbuddy/common";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeVault, respond } from "./process/fake-vault.ts";
import type { ReadAsk } from "./read.ts";
import { FakeLog } from "./testing.ts";
import { Vault } from "./vault.ts";

let fake: FakeVault;
let vault: Vault;
const wrapping = new Secret("hvs.wrapping");
const client = new Secret("hvs.client-of-hvs.wrapping");
const { signal } = new AbortController();

beforeEach(async () => {
  fake = await new FakeVault().start();
  fake.mint(wrapping.expose());
  fake.tokens.set(client.expose(), "accessor");
  vault = new Vault({ addr: fake.addr, namespace: "team" }, new FakeLog());
});

afterEach(() => {
  vault.close();
  fake.stop();
});

const plain = (path: string): ReadAsk => ({
  path,
  versioned: false,
  stable: true,
});
const answering = (path: string, status: number, body: string): void =>
  fake.override(path, (_seen, response: ServerResponse) => {
    response.statusCode = status;
    response.end(body);
    return "answered";
  });

test("a wrapping token is looked up by its body alone and opened by its header alone", async () => {
  expect(await vault.lookup(wrapping, signal)).toMatchObject({
    creationPath: "auth/token/create/vaultbuddy-web",
    creationTtl: 60,
    creationTime: expect.closeTo(Date.now() / 1000, -2) as unknown,
  });
  expect(await vault.unwrap(wrapping, signal)).toMatchObject({
    accessor: "accessor-of-hvs.wrapping",
    renewable: true,
    ttl: 90,
  });
  expect(fake.requests).toMatchObject([
    {
      method: "POST",
      token: undefined,
      namespace: "team",
      body: '{"token":"hvs.wrapping"}',
    },
    { method: "POST", token: "hvs.wrapping", namespace: "team", body: "" },
  ]);
  expect(await vault.unwrap(wrapping, signal)).toBe("spent");
  expect(await vault.lookup(wrapping, signal)).toBe("spent");
});

test.each([
  [400, '{"errors":["missing client token"]}'],
  [400, "<html>"],
  [403, '{"errors":["permission denied"]}'],
  [404, '{"errors":[]}'],
  [429, ""],
  [500, '{"errors":["wrapping token is not valid"]}'],
  [503, '{"errors":["Vault is sealed"]}'],
  [
    200,
    '{"data":{"creation_path":"a","creation_ttl":60,"creation_time":"no time"}}',
  ],
  [
    200,
    '{"auth":{"client_token":"a b","accessor":"x","renewable":true,"lease_duration":1}}',
  ],
  [200, ""],
])("%i %s about a wrapping token is no usable answer", async (status, body) => {
  answering("sys/wrapping/*", status, body);
  expect(await vault.lookup(wrapping, signal)).toBeUndefined();
  expect(await vault.unwrap(wrapping, signal)).toBeUndefined();
});

test("a lookup whose connection breaks is made once more, an unwrapping never", async () => {
  fake.override("sys/wrapping/*", (_seen, response) => {
    response.socket?.destroy();
    return "answered";
  });
  expect(await vault.lookup(wrapping, signal)).toBeUndefined();
  expect(fake.requests).toHaveLength(2);
  expect(await vault.unwrap(wrapping, signal)).toBeUndefined();
  expect(fake.requests).toHaveLength(3);
});

test("engines are told apart as Vault's own command does", async () => {
  const of = (path: string) => vault.mountOf(client, path, signal);
  expect(await of("secret/web")).toEqual({
    kind: "found",
    value: { path: "secret/", versioned: true, stable: true },
  });
  expect(await of("kv1/web")).toEqual({
    kind: "found",
    value: { path: "kv1/", versioned: false, stable: true },
  });
  answering("sys/internal/ui/mounts/old/x", 404, '{"errors":[]}');
  expect(await of("old/x")).toEqual({
    kind: "found",
    value: { path: "", versioned: false, stable: false },
  });
  answering(
    "sys/internal/ui/mounts/db/x",
    200,
    '{"data":{"type":"database","path":"db/","options":null}}',
  );
  expect(await of("db/x")).toEqual({
    kind: "found",
    value: { path: "db/", versioned: false, stable: false },
  });
});

test.each([
  [403, '{"errors":["permission denied"]}', { kind: "refused", status: 403 }],
  [404, '{"errors":[]}', { kind: "refused", status: 404 }],
  [404, '{"data":null,"request_id":"x"}', { kind: "refused", status: 404 }],
  [404, "<html>no such page</html>", { kind: "silent", lost: true }],
  [403, "", { kind: "silent", lost: true }],
  [412, '{"errors":["not yet"]}', { kind: "silent" }],
  [503, '{"errors":["Vault is sealed"]}', { kind: "silent" }],
  [500, '{"errors":["internal"]}', { kind: "silent", lost: true }],
  [504, "<html>", { kind: "silent", lost: true }],
  [200, '{"data":7}', { kind: "silent", lost: true }],
])("%i %s to a read is what it is", async (status, body, expected) => {
  answering("kv1/x", status, body);
  expect(await vault.read(client, plain("kv1/x"), signal)).toEqual(expected);
});

test("what has a lease is told from what has none", async () => {
  answering(
    "db/creds",
    200,
    '{"lease_id":"db/creds/1","data":{"username":"u"}}',
  );
  fake.secrets.set("kv1/x", { a: "1" });
  expect(await vault.read(client, plain("db/creds"), signal)).toMatchObject({
    value: { leased: true },
  });
  expect(await vault.read(client, plain("kv1/x"), signal)).toMatchObject({
    value: { leased: false },
  });
});

test("a token that cannot be revoked is told, and nothing fails for it", async () => {
  const log = new FakeLog();
  const other = new Vault({ addr: fake.addr }, log);
  await other.revoke(client);
  expect(log.lines.filter(({ level }) => level === "warn")).toEqual([]);
  await other.revoke(client);
  expect(log.lines.at(-1)).toMatchObject({
    level: "warn",
    fields: { status: 403 },
  });
  other.close();
});

test("a deadline ends a call that Vault does not answer", async () => {
  fake.override("sys/wrapping/lookup", (_seen, response) =>
    respond(response, 200, {}),
  );
  fake.override("sys/wrapping/unwrap", () => "answered");
  const stop = new AbortController();
  const asked = vault.unwrap(wrapping, stop.signal);
  stop.abort();
  expect(await asked).toBeUndefined();
});

test("a version is asked for by its number, and what is written is sent as it stands", async () => {
  answering("secret/data/x?version=3", 200, '{"data":{"data":{"a":"old"}}}');
  const ask = { path: "secret/data/x", versioned: true, version: 3 };
  const old = await vault.read(client, { ...ask, stable: true }, signal);
  expect(old).toMatchObject({ kind: "found", value: { leased: false } });
  answering("pki/issue/a", 200, '{"data":{"certificate":"c"},"lease_id":"l"}');
  const made = await vault.write(client, "pki/issue/a", '{"b":1}', signal);
  expect(made).toMatchObject({ kind: "found", value: { leased: true } });
  expect(fake.requests.at(-1)).toMatchObject({
    method: "POST",
    path: "pki/issue/a",
    body: '{"b":1}',
  });
});

test("an answer without anything, or with a token, has no keys", async () => {
  const write = () => vault.write(client, "x/y", "{}", signal);
  answering("x/y", 204, "");
  expect(await write()).toEqual({
    kind: "found",
    value: { leased: false, values: new Map() },
  });
  answering("x/y", 200, '{"data":null,"auth":{"client_token":"t"}}');
  // What a token makes dies with it, as a lease does.
  expect(await write()).toEqual({
    kind: "found",
    value: { leased: true, values: new Map() },
  });
});

test.each<[string, number, unknown, unknown]>([
  ["all", 200, [{ plaintext: "YQ==" }, { plaintext: "4piD" }], ["a", "\u2603"]],
  [
    "some, as before 1.12",
    200,
    [{ plaintext: "YQ==" }, { error: "bad" }],
    ["a", undefined],
  ],
  [
    "some, as since",
    400,
    [{ plaintext: "", error: "bad" }, { plaintext: "YQ==" }],
    [undefined, "a"],
  ],
  [
    "no text",
    200,
    [{ plaintext: "/w==" }, { plaintext: 7 }],
    [undefined, undefined],
  ],
])(
  "a batch that is decrypted: %s",
  async (_name, status, results, expected) => {
    const body = JSON.stringify({ data: { batch_results: results } });
    answering("transit/decrypt/k", status, body);
    const answer = await vault.decrypt(
      client,
      "transit/decrypt/k",
      ["vault:v1:a", "vault:v1:b"],
      signal,
    );
    expect(answer.kind).toBe("found");
    expect(
      answer.kind === "found" && answer.value.map((one) => one?.expose()),
    ).toEqual(expected);
    expect(fake.requests.at(-1)?.body).toBe(
      '{"batch_input":[{"ciphertext":"vault:v1:a"},{"ciphertext":"vault:v1:b"}]}',
    );
  },
);

test.each([
  [
    400,
    '{"errors":["encryption key not found"]}',
    { kind: "refused", status: 400 },
  ],
  [403, '{"errors":["permission denied"]}', { kind: "refused", status: 403 }],
  [200, '{"data":{"batch_results":[]}}', { kind: "silent", lost: true }],
  [200, '{"data":{}}', { kind: "silent", lost: true }],
])("%i %s to a batch is what it is", async (status, body, expected) => {
  answering("transit/decrypt/k", status, body);
  expect(
    await vault.decrypt(client, "transit/decrypt/k", ["vault:v1:a"], signal),
  ).toEqual(expected);
});

test("a Vault that nobody listens at has not heard of the question", async () => {
  fake.stop();
  expect(await vault.read(client, plain("kv1/x"), signal)).toEqual({
    kind: "silent",
  });
});

test("a token that has done its work is ended without a word above debug, whatever Vault says", async () => {
  const log = new FakeLog();
  const other = new Vault({ addr: fake.addr }, log);
  expect(await other.retire(client)).toBe(true);
  expect(await other.retire(client)).toBe(false);
  expect(new Set(log.lines.map(({ level }) => level))).toEqual(
    new Set(["debug"]),
  );
  other.close();
});
