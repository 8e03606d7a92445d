// What /healthz and /metrics answer, over real HTTP.

import { request } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { healthOf, openHealth } from "./health.ts";
import { Meters } from "./meters.ts";
import type { WatchHealth } from "./watch.ts";

test.each<[string, WatchHealth, string]>([
  ["just begun", { listed: false, listAge: 10, streamGone: 10 }, "starting"],
  [
    "subscribed and not listed yet",
    { listed: false, listAge: 10, streamAge: 5 },
    "starting",
  ],
  [
    "never listed in half a minute",
    { listed: false, listAge: 31_000, streamAge: 31_000 },
    "failing",
  ],
  [
    "streaming and listed",
    { listed: true, listAge: 30_000, streamAge: 99_000 },
    "ok",
  ],
  ["reconnecting", { listed: true, listAge: 3000, streamGone: 5000 }, "ok"],
  [
    "without a stream for long",
    { listed: true, listAge: 3000, streamGone: 31_000 },
    "failing",
  ],
  [
    "without a list for long",
    { listed: true, listAge: 101_000, streamAge: 200_000 },
    "failing",
  ],
])("an agent that has %s is %s", (_, watch, status) => {
  expect(healthOf(watch).status).toBe(status);
});

async function setUp(
  health: WatchHealth,
): Promise<
  (
    path: string,
    method?: string,
  ) => Promise<{ status: number; type: string; body: string }>
> {
  const server = await openHealth(
    { host: "127.0.0.1", port: 0 },
    {
      watch: { health: () => health },
      queue: { size: 3, asking: 2 },
      meters: new Meters(),
      memory: () => 7,
    },
  );
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return (path, method = "GET") =>
    new Promise((resolve, reject) => {
      const asking = request(
        { host: "127.0.0.1", port, path, method },
        (response) => {
          let body = "";
          response.setEncoding("utf8");
          response.on("data", (chunk: string) => (body += chunk));
          response.on("end", () => {
            resolve({
              status: response.statusCode ?? 0,
              type: response.headers["content-type"] ?? "",
              body,
            });
          });
        },
      );
      asking.on("error", reject);
      asking.end();
    });
}

const WELL: WatchHealth = { listed: true, listAge: 1234, streamAge: 56_789 };

test("a well agent answers 200 with the ages that say why", async () => {
  const get = await setUp(WELL);
  const { status, body } = await get("/healthz");
  expect(status).toBe(200);
  expect(JSON.parse(body)).toEqual({
    status: "ok",
    stream: { open: true, seconds: 56.8 },
    list: { done: true, seconds: 1.2 },
    notices: { underWay: 3, asking: 2 },
  });
});

test("one whose stream is gone answers 503", async () => {
  const get = await setUp({ listed: true, listAge: 0, streamGone: 60_000 });
  const { status, body } = await get("/healthz?verbose");
  expect(status).toBe(503);
  expect(JSON.parse(body)).toMatchObject({
    status: "failing",
    stream: { open: false },
  });
});

test("the metrics hold counters and gauges in the format of Prometheus", async () => {
  const get = await setUp(WELL);
  const { status, type, body } = await get("/metrics");
  expect([status, type]).toEqual([
    200,
    "text/plain; version=0.0.4; charset=utf-8",
  ]);
  for (const line of [
    "stream_open 1",
    "notices_under_way 3",
    "notices_asking 2",
    "resident_memory_bytes 7",
    "list_age_seconds 1.234",
  ]) {
    expect(body).toContain(`\nvaultbuddy_agent_${line}\n`);
  }
});

test("anything else is refused without a body", async () => {
  const get = await setUp(WELL);
  expect(await get("/")).toMatchObject({ status: 404, body: "" });
  expect(await get("/healthz", "POST")).toMatchObject({
    status: 405,
    body: "",
  });
  expect(await get("/healthz", "HEAD")).toMatchObject({
    status: 200,
    body: "",
  });
});

test("an address that is taken is an error, not a crash later", async () => {
  const server = await openHealth(
    { host: "127.0.0.1", port: 0 },
    {
      watch: { health: () => WELL },
      queue: { size: 0, asking: 0 },
      meters: new Meters(),
      memory: () => 0,
    },
  );
  onTestFinished(() => {
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  await expect(
    openHealth(
      { host: "127.0.0.1", port },
      {
        watch: { health: () => WELL },
        queue: { size: 0, asking: 0 },
        meters: new Meters(),
        memory: () => 0,
      },
    ),
  ).rejects.toMatchObject({ code: "EADDRINUSE" });
});
