// Health checks fill Docker's memory of events: each probe is three of them, and it keeps 256. While the agent listens they
// cost no notice; while it is cut off they push the starts out, and the list finds those. On the embedded engine, whose ring
// is Docker's: thirty probes a second would be thirty more processes a second for a real one.

import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { Cutter } from "./agent/cutter.ts";
import { Host } from "./agent/host.ts";
import { Listener } from "./agent/listener.ts";

/** So many containers are probed so often, in milliseconds: thirty probes a second. */
const PROBED = 15;
const INTERVAL = 500;

/** How many events of a kind the engine still remembers. */
async function remembered(host: Host, kind: string): Promise<number> {
  const until = Math.floor(Date.now() / 1000);
  const query = new URLSearchParams({
    since: String(until - 300),
    until: String(until),
    filters: JSON.stringify({ event: [kind] }),
  });
  const socket = connect(host.dockerHost.replace(/^unix:\/\//, ""));
  socket.write(
    `GET /v1.41/events?${query.toString()} HTTP/1.0\r\nHost: docker\r\n\r\n`,
  );
  let text = "";
  for await (const chunk of socket.setEncoding("utf8")) {
    text += String(chunk);
  }
  return text.split("\n").filter((line) => line.includes('"Action":')).length;
}

/** Asks until it is so; after ten seconds the story's own expectation tells what is instead. */
async function until(so: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100 && !(await so()); tries += 1)
    await delay(100);
}

test("thirty health checks a second cost no notice, and what they push out of Docker's memory the list finds and counts", async () => {
  const host = await Host.open();
  onTestFinished(() => host.close(), 60_000);
  const cutter = await Cutter.open(host.dockerHost);
  onTestFinished(() => cutter.close());
  const broker = await Listener.open();
  onTestFinished(() => broker.close());
  const agent = await host.agent(broker.url, cutter.dockerHost);
  await cutter.streaming();
  const all: string[] = [];
  for (let n = 0; n < PROBED; n += 1) {
    all.push(
      await host.start(n, {
        healthCheck: {
          command: ["CMD", "/bin/true"],
          intervalMs: INTERVAL,
          timeoutMs: 10_000,
          startPeriodMs: 0,
          retries: 3,
        },
      }),
    );
  }
  for (let n = 0; n < 20; n += 1) {
    all.push(await host.start(100 + n));
    await delay(100);
  }
  await broker.until(() => broker.missing(all).length === 0);
  expect(broker.missing(all)).toEqual([]);
  expect(await agent.metric('starts_total{by="event"}')).toBe(all.length);

  cutter.broken = true;
  cutter.cut();
  const hidden: string[] = [];
  for (let n = 0; n < 20; n += 1) {
    hidden.push(await host.start(200 + n));
  }
  // Until nothing is left of them, which is the point of it.
  await until(async () => (await remembered(host, "start")) === 0);
  expect(await remembered(host, "start")).toBe(0);
  expect(await remembered(host, "exec_die")).toBeGreaterThan(50);
  cutter.broken = false;
  await cutter.streaming();
  await broker.until(() => broker.missing(hidden).length === 0);
  expect(broker.missing(hidden)).toEqual([]);
  expect(await agent.metric('starts_total{by="list"}')).toBe(hidden.length);
  // The next list sees that no event has announced them, and counts them.
  cutter.cut();
  await until(async () => (await agent.metric("unannounced_total")) > 0);
  expect(await agent.metric("unannounced_total")).toBe(hidden.length);
  // Each once, although the health checks go on.
  expect(broker.notices).toHaveLength(all.length + hidden.length);
}, 90_000);
