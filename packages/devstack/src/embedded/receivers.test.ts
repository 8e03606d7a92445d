// Receivers against the stand-in for Vault, over the real channel: what they take, what they refuse, what they show.

import { randomBytes } from "node:crypto";
import { connect, createSecureContext } from "node:tls";
import {
  accessorHash,
  derivePsk,
  familyKey,
  type FamilyKey,
  parseKey,
  Secret,
  signJws,
  writeDelivery,
} from "@vaultbuddy/common";
import { openConnections, request } from "@vaultbuddy/common/daemon";
import { afterAll, beforeAll, expect, test } from "vitest";
import { dockerEngine } from "../engine/docker.ts";
import { startVault, type VaultServer } from "../vault/server.ts";
import {
  type Delivered,
  type EmbeddedEngine,
  receiverImage,
  startEmbeddedEngine,
  type StartedReceiver,
} from "./engine.ts";

const rawKey = randomBytes(32).toString("base64url");
const key = familyKey(parseKey(rawKey));
const task = (n: number): string =>
  `arn:aws:ecs:us-east-1:123456789012:task/default/${n.toString(16).padStart(32, "0")}`;

let vault: VaultServer;
let engine: EmbeddedEngine;
let count = 0;
const delivered: Delivered[] = [];
const connections = openConnections({ perOrigin: 8, connectTimeout: 5_000 });
const context = createSecureContext({
  ciphers: "PSK",
  minVersion: "TLSv1.3",
  ca: [],
  ecdhCurve: "X25519",
});

beforeAll(async () => {
  vault = await startVault();
  engine = await startEmbeddedEngine();
  engine.onDelivered((one) => delivered.push(one));
  await asRoot("auth/token/roles/vaultbuddy", { orphan: true });
});
afterAll(async () => {
  await engine.close();
  await vault.close();
  await connections.destroy();
});

async function asRoot(
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Record<string, Record<string, string>>> {
  const answer = await request({
    method: "POST",
    url: `${vault.addr}/v1/${path}`,
    headers: { "X-Vault-Token": vault.rootToken, ...headers },
    body: JSON.stringify(body),
    timeout: 5_000,
    maxBytes: 65_536,
    dispatcher: connections,
  });
  return answer.body.length === 0
    ? {}
    : (JSON.parse(answer.body.toString()) as Record<
        string,
        Record<string, string>
      >);
}

/** A receiver for a task of its own. */
async function receiver(): Promise<StartedReceiver & { taskArn: string }> {
  count += 1;
  const taskArn = task(count);
  const [started] = await engine.startReceivers([
    {
      labels: {
        "com.amazonaws.ecs.task-arn": taskArn,
        "com.amazonaws.ecs.container-name": "app",
      },
      env: { WIS_HMAC_KEY: rawKey, VAULT_ADDR: vault.addr },
    },
  ]);
  if (started === undefined) throw new Error("no receiver was started");
  return { ...started, taskArn };
}

interface Wrapped {
  readonly token: string;
  readonly accessor: string;
}

async function mint(): Promise<Wrapped> {
  const body = await asRoot(
    "auth/token/create/vaultbuddy",
    { policies: ["default"], ttl: "60s" },
    { "X-Vault-Wrap-TTL": "60s" },
  );
  const info = body["wrap_info"];
  return {
    token: info?.["token"] ?? "",
    accessor: info?.["wrapped_accessor"] ?? "",
  };
}

function delivery(
  to: { taskArn: string; containerId: string },
  { token, accessor }: Wrapped,
  signer: FamilyKey = key,
): Buffer {
  const iat = Math.floor(Date.now() / 1000);
  count += 1;
  const payload = writeDelivery({
    jti: `delivery-${count}`,
    iat,
    exp: iat + 60,
    aud: {
      taskArn: to.taskArn,
      containerName: "app",
      containerId: to.containerId,
    },
    vault: { addr: vault.addr },
    wrap: {
      kind: "token",
      token: new Secret(token),
      accessorHash: accessorHash(accessor),
      creationPath: "auth/token/create/vaultbuddy",
      ttl: 60,
      tokenTtl: 60,
    },
    secrets: { paths: [], env: new Map() },
  });
  return signJws(payload, [signer]);
}

/** Sends a delivery as the broker does; rejects when no channel stands. */
function send(
  host: string,
  body: Buffer,
  by: FamilyKey = key,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const psk = Buffer.from(derivePsk(by.key).expose());
  return new Promise((resolve, reject) => {
    const socket = connect(
      {
        host,
        port: 9202,
        secureContext: context,
        pskCallback: () => ({ psk, identity: by.kid }),
        checkServerIdentity: () => undefined,
      },
      () => {
        socket.write(
          `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/jose+json\r\nContent-Length: ${body.length}\r\n\r\n`,
        );
        socket.write(body);
      },
    );
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk) => (text += String(chunk)));
    socket.on("error", reject);
    socket.on("end", () => {
      const [head = "", json = "{}"] = text.split("\r\n\r\n");
      resolve({
        status: Number(head.split(" ")[1]),
        body: JSON.parse(json) as Record<string, unknown>,
      });
    });
  });
}

test("a delivery is opened at Vault and answered with the accessor that was inside; then nobody listens", async () => {
  const to = await receiver();
  const wrapped = await mint();
  const answer = await send(to.address, delivery(to, wrapped));
  expect(answer).toMatchObject({
    status: 200,
    body: { accessor: wrapped.accessor },
  });
  expect(delivered.at(-1)).toMatchObject({
    containerId: to.containerId,
    taskArn: to.taskArn,
  });
  expect(delivered.at(-1)?.ms).toBeGreaterThan(0);
  const again = send(to.address, delivery(to, await mint()));
  await expect(again).rejects.toMatchObject({ code: "ECONNREFUSED" });
  const facts = await dockerEngine(engine.dockerHost).inspect(to.containerId);
  expect(facts.status, "the app of a real one would run").toBe("running");
});

test("who has another key gets no channel", async () => {
  const to = await receiver();
  const other = familyKey(parseKey(randomBytes(32).toString("base64url")));
  const sent = send(to.address, delivery(to, await mint()), other);
  await expect(sent).rejects.toBeInstanceOf(Error);
});

test("a refused delivery leaves the wrapping token and the receiver as they were", async () => {
  const to = await receiver();
  const wrapped = await mint();
  const other = familyKey(parseKey(randomBytes(32).toString("base64url")));
  const forged = await send(to.address, delivery(to, wrapped, other));
  expect(forged).toMatchObject({
    status: 401,
    body: { code: "bad_signature" },
  });
  const astray = await send(
    to.address,
    delivery({ ...to, containerId: "c".repeat(64) }, wrapped),
  );
  expect(astray).toMatchObject({ status: 403, body: { code: "not_for_me" } });
  const good = await send(to.address, delivery(to, wrapped));
  expect(good.status).toBe(200);
});

test("a wrapping token that somebody opened first is the alarm", async () => {
  const to = await receiver();
  const wrapped = await mint();
  await asRoot("sys/wrapping/unwrap", { token: wrapped.token });
  const answer = await send(to.address, delivery(to, wrapped));
  expect(answer).toMatchObject({
    status: 410,
    body: { code: "already_unwrapped" },
  });
});

test("the same delivery twice at once is opened once and answered twice", async () => {
  const to = await receiver();
  const body = delivery(to, await mint());
  const answers = await Promise.all([
    send(to.address, body),
    send(to.address, body),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
});

test("receivers start through the API too, are listed with their labels and end with a signal's code", async () => {
  const docker = dockerEngine(engine.dockerHost);
  const id = await docker.create({
    name: "a-receiver",
    image: receiverImage,
    labels: {
      "com.amazonaws.ecs.task-arn": task(9_999),
      "com.amazonaws.ecs.container-name": "app",
    },
    env: { WIS_HMAC_KEY: rawKey, VAULT_ADDR: vault.addr },
    network: { kind: "bridge" },
  });
  await docker.start(id);
  const { addresses, status } = await docker.inspect(id);
  expect([status, addresses.length]).toEqual(["running", 1]);
  await docker.stop(id, 5);
  expect(await docker.inspect(id)).toMatchObject({ exitCode: 143 });
  expect(
    await docker.removeLabelled(`com.amazonaws.ecs.task-arn=${task(9_999)}`),
  ).toMatchObject({ containers: 1 });
});

test("a receiver without a key does not start, and it is said what it lacks", async () => {
  const started = engine.startReceivers([{ labels: {}, env: {} }]);
  await expect(started).rejects.toThrow(/needs the variable WIS_HMAC_KEY/);
});
