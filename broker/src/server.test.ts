// The door: whatever comes in, a problem with a code goes out, and nothing of an upstream's.

import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { noticeCodes, Refusal } from "@vaultbuddy/common";
import type { NoticeCode } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { Meters } from "./meters.ts";
import { buildServer } from "./server.ts";
import type { ServerDeps } from "./server.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} };
const notice = {
  taskArn:
    "arn:aws:ecs:us-east-1:123456789012:task/main/0123456789abcdef0123456789abcdef",
  cluster: "main",
  containerName: "app",
  containerId: "a".repeat(64),
};
const deps = (more: Partial<ServerDeps> = {}): ServerDeps => ({
  log: silent,
  meters: new Meters(),
  gauges: [],
  handOff: () => Promise.resolve({ outcome: "delivered", deliveryId: "d-1" }),
  stopped: () => undefined,
  admit: () => undefined,
  notReady: () => [],
  warnings: () => [],
  ...more,
});

test("a notice is answered with its outcome", async () => {
  const answer = await buildServer(deps()).inject({
    method: "POST",
    url: "/v1/notify",
    payload: notice,
  });
  expect([answer.statusCode, answer.json()]).toEqual([
    200,
    { outcome: "delivered", deliveryId: "d-1" },
  ]);
});

test.each(Object.keys(noticeCodes) as NoticeCode[])(
  "%s is answered as its row says",
  async (code) => {
    const server = buildServer(
      deps({ handOff: () => Promise.reject(new Refusal(code, "what to do")) }),
    );
    const answer = await server.inject({
      method: "POST",
      url: "/v1/notify",
      payload: notice,
    });
    const { status, retry, title } = noticeCodes[code];
    expect(answer.statusCode).toBe(status);
    expect(answer.headers["content-type"]).toContain(
      "application/problem+json",
    );
    expect(answer.json()).toEqual({
      status,
      title,
      detail: "what to do",
      code,
    });
    expect(answer.headers["retry-after"] !== undefined).toBe(retry);
  },
);

test.each<[string, string | Buffer, string]>([
  ["not JSON", "<html>", "application/json"],
  ["not JSON, and not called so", "<html>", "text/html"],
  ["empty", "", "application/json"],
  ["too large", " ".repeat(9000), "application/json"],
  ["of a wrong shape", '{"taskArn":1}', "application/json"],
  ["a list", "[]", "application/json"],
])("a notice that is %s is a bad request", async (_name, payload, type) => {
  let asked = 0;
  const server = buildServer(
    deps({
      handOff: () => {
        asked += 1;
        return Promise.reject(new Error("must not be asked"));
      },
    }),
  );
  const answer = await server.inject({
    method: "POST",
    url: "/v1/notify",
    payload,
    headers: { "content-type": type },
  });
  expect([
    answer.statusCode,
    answer.json<{ code: string }>().code,
    asked,
  ]).toEqual([400, "bad_request", 0]);
});

test("a fault of ours says nothing of itself", async () => {
  const server = buildServer(
    deps({
      handOff: () =>
        Promise.reject(new TypeError("marked: x is not a function")),
    }),
  );
  const answer = await server.inject({
    method: "POST",
    url: "/v1/notify",
    payload: notice,
  });
  expect(answer.statusCode).toBe(503);
  expect(answer.body).not.toContain("marked");
});

test("too many are turned away before they are read", async () => {
  const server = buildServer(
    deps({
      admit: () => {
        throw new Refusal("rate_limited", "slow down");
      },
    }),
  );
  const answer = await server.inject({
    method: "POST",
    url: "/v1/notify",
    payload: notice,
  });
  expect([answer.statusCode, answer.headers["retry-after"]]).toEqual([
    429,
    "1",
  ]);
});

test("health is of the process, readiness of what it needs", async () => {
  const server = buildServer(deps({ notReady: () => ["sealed"] }));
  expect((await server.inject("/healthz")).json()).toEqual({ ok: true });
  const ready = await server.inject("/readyz");
  expect([ready.statusCode, ready.json()]).toEqual([
    503,
    { ready: false, reasons: ["sealed"], warnings: [] },
  ]);
  expect((await buildServer(deps()).inject("/readyz")).statusCode).toBe(200);
});

test("what is not there is a problem too", async () => {
  const answer = await buildServer(deps()).inject("/v1/secrets");
  expect([answer.statusCode, answer.headers["content-type"]]).toEqual([
    404,
    "application/problem+json; charset=utf-8",
  ]);
});

test("what is no HTTP is closed and the server lives on", async () => {
  const server = buildServer(deps());
  await server.listen({ host: "127.0.0.1", port: 0 });
  const { port } = server.server.address() as AddressInfo;
  const heard = await new Promise<string>((resolve) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () =>
      socket.write("\u0016\u0003\u0001 nonsense\r\n\r\n"),
    );
    socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
    socket.on("close", () => resolve(text));
  });
  expect(heard).toContain("400 Bad Request");
  expect((await server.inject("/healthz")).statusCode).toBe(200);
  await server.close();
});

test("a hint that a container has stopped is noted, and parsed as strictly as a notice", async () => {
  const noted: unknown[] = [];
  const server = buildServer(
    deps({ stopped: (one) => noted.push(one.containerName) }),
  );
  const send = async (payload: object): Promise<number> =>
    (await server.inject({ method: "POST", url: "/v1/stopped", payload }))
      .statusCode;
  expect(await send(notice)).toBe(202);
  expect(await send({ ...notice, token: "x" })).toBe(400);
  expect(noted).toEqual(["app"]);
});

test("what was turned away, noted and measured is told to Prometheus", async () => {
  const server = buildServer(
    deps({ gauges: [{ name: "sealed", help: "x", read: () => 1 }] }),
  );
  await server.inject({ method: "POST", url: "/v1/notify", payload: "<html>" });
  await server.inject({ method: "POST", url: "/v1/stopped", payload: notice });
  const { body, headers } = await server.inject("/metrics");
  expect(headers["content-type"]).toContain("version=0.0.4");
  expect(body).toContain(
    'vaultbuddy_broker_turned_away_total{code="bad_request"} 1',
  );
  expect(body).toContain(
    'vaultbuddy_broker_handoffs_total{code="already_delivered"} 0',
  );
  expect(body).toContain("vaultbuddy_broker_stops_total 1");
  expect(body).toContain("vaultbuddy_broker_sealed 1");
});
