// One delivery, the same bytes, until it is answered; and only the right receipt counts.

import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import net from "node:net";
import type { AddressInfo } from "node:net";
import {
  deliveryProblem,
  deriveFamilyKey,
  generateSigningKey,
  parseDelivery,
  Secret,
  SecretBytes,
  verifyJws,
} from "@vaultbuddy/common";
import { ManualClock } from "@vaultbuddy/common/testing";
import { afterEach, expect, test } from "vitest";
import type { Channel } from "./connect.ts";
import { deliver, refuseTooLarge, writeSigned } from "./deliver.ts";
import type { DeliverDeps, Outcome } from "./deliver.ts";
import { claimOn, vouchedFor } from "./testing.ts";

const key = deriveFamilyKey(
  new SecretBytes(Buffer.alloc(32, 1)),
  "123456789012",
  "web",
);
const servers: Server[] = [];
const wrapped = {
  token: new Secret("s.marked"),
  wrapAccessor: "outer",
  accessor: "inner",
  creationPath: "auth/token/create/vaultbuddy",
  wrapTtl: 30,
  tokenTtl: 3600,
  firstTtl: 60,
};
const expected = { jti: "delivery-0001", accessor: "inner" };
const receipt = JSON.stringify(expected);

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** Answers each request in turn with the next listener, and remembers the bodies. */
async function container(
  ...listeners: RequestListener[]
): Promise<{ port: number; bodies: string[] }> {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      bodies.push(Buffer.concat(chunks).toString());
      listeners[Math.min(bodies.length, listeners.length) - 1]?.(
        request,
        response,
      );
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, bodies };
}

function open(port: number): Promise<Channel> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1", () =>
      resolve({ socket, secure: false, close: () => socket.destroy() }),
    );
    socket.on("error", reject);
  });
}

async function run(
  port: number,
  more: Partial<DeliverDeps> = {},
  signal = AbortSignal.timeout(5000),
): Promise<Outcome> {
  const clock = new ManualClock();
  const deps: DeliverDeps = {
    clock: {
      now: () => clock.now(),
      monotonic: () => 0,
      random: () => 0,
      sleep: () => Promise.resolve(),
    },
    keys: [key],
    vault: { addr: "https://vault:8200", namespace: undefined, ca: undefined },
    reconnect: () => open(port),
    fresh: () => undefined,
    ...more,
  };
  const signed = writeSigned(claimOn(vouchedFor()), wrapped, {}, deps);
  return await deliver(await open(port), signed, expected, deps, signal);
}

const say =
  (status: number, body: string): RequestListener =>
  (_request, response) =>
    response.writeHead(status).end(body);

test("a receipt with the accessor of the token inside ends it", async () => {
  const { port, bodies } = await container(say(200, receipt));
  expect(await run(port)).toEqual({ kind: "received" });
  const payload = verifyJws(Buffer.from(bodies[0] ?? ""), key);
  const sent = parseDelivery(payload ?? Buffer.alloc(0));
  expect(sent).toMatchObject({
    jti: "delivery-0001",
    aud: { containerName: "app" },
    wrap: { ttl: 30 },
  });
  expect(sent.exp - sent.iat).toBe(30);
});

test("a delivery for a channel under a certificate names it, and each active pair signs it", () => {
  const pairs = [generateSigningKey(), generateSigningKey()];
  const certificate = "A".repeat(43);
  const signed = writeSigned(
    claimOn(vouchedFor()),
    wrapped,
    { certificate },
    {
      clock: new ManualClock(),
      keys: pairs,
      vault: {
        addr: "https://vault:8200",
        namespace: undefined,
        ca: undefined,
      },
    },
  );
  for (const pair of pairs) {
    const payload = verifyJws(signed, pair) ?? Buffer.alloc(0);
    expect(parseDelivery(payload).tls).toBe(certificate);
  }
  expect(verifyJws(signed, key)).toBeUndefined();
});

test("a lost answer, an empty close and a Vault that is away make it send the same bytes again", async () => {
  const away = JSON.stringify(deliveryProblem("vault_unavailable", ""));
  const { port, bodies } = await container(
    (request) => request.socket.destroy(),
    (request) => request.socket.end(),
    (request) =>
      request.socket.end("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"),
    say(503, away),
    say(200, receipt),
  );
  expect(await run(port)).toEqual({ kind: "received" });
  expect(bodies).toHaveLength(5);
  expect(new Set(bodies).size).toBe(1);
});

test("a refusal is told by its code", async () => {
  const { port } = await container(
    say(403, JSON.stringify(deliveryProblem("not_for_me", "x"))),
  );
  expect(await run(port)).toEqual({ kind: "refused", code: "not_for_me" });
});

test.each<[string, number, string]>([
  [
    "a receipt for another token",
    200,
    JSON.stringify({ ...expected, accessor: "other" }),
  ],
  [
    "a receipt for another delivery",
    200,
    JSON.stringify({ ...expected, jti: "delivery-0002" }),
  ],
  ["a page", 200, "<html>"],
  ["a page of a proxy", 502, "<html>"],
  [
    "a problem under another status",
    200,
    JSON.stringify(deliveryProblem("expired", "")),
  ],
  ["an endless answer", 200, "x".repeat(20_000)],
])("%s is foreign", async (_name, status, body) => {
  const { port } = await container(say(status, body));
  expect(await run(port)).toEqual({ kind: "foreign" });
});

test("silence ends with the signal", async () => {
  const { port } = await container(() => undefined);
  expect(await run(port, {}, AbortSignal.timeout(100))).toEqual({
    kind: "silent",
  });
});

test("nothing is sent when the claim is no longer fresh", async () => {
  const { port, bodies } = await container(say(200, receipt));
  await expect(
    run(port, {
      fresh: () => {
        throw new Error("lost");
      },
    }),
  ).rejects.toThrow("lost");
  expect(bodies).toEqual([]);
});

test("a plan that no delivery can hold is refused before anything is minted", () => {
  const signing = {
    clock: new ManualClock(),
    keys: [key],
    vault: { addr: "https://vault:8200", namespace: undefined, ca: undefined },
  };
  const channel = {};
  const plan = (count: number): Parameters<typeof refuseTooLarge>[0] =>
    claimOn(
      vouchedFor({
        secrets: {
          paths: Array.from(
            { length: count },
            (_, n) => `secret/${"x".repeat(300)}${n}`,
          ),
          env: new Map(),
        },
      }),
    );
  expect(() => refuseTooLarge(plan(10), channel, signing)).not.toThrow();
  expect(() => refuseTooLarge(plan(60), channel, signing)).toThrow(
    expect.objectContaining({ code: "policy_denied" }) as Error,
  );
});
