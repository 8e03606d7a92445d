// Docker's event stream is cut again and again while containers start, and some of them end at once: each start is
// noticed, and nothing that did not start. Two hundred starts and a hundred cuts on the embedded engine; the same, shorter,
// on Docker, where a start takes a third of a second.

import { chooseEngine } from "@vaultbuddy/devstack";
import { expect, onTestFinished, test } from "vitest";
import { Cutter } from "./agent/cutter.ts";
import { Host } from "./agent/host.ts";
import { Listener } from "./agent/listener.ts";
import { noDocker } from "./docker.ts";

const { dockerHost } = await chooseEngine(process.env);

test("no start is missed while the stream is cut 100 times during 200 starts", async () => {
  await story(await Host.open(), 100);
}, 120_000);

test.skipIf(noDocker)(
  "nor on Docker, while it is cut 20 times during 40 starts",
  async () => {
    await story(await Host.open(dockerHost), 20);
  },
  120_000,
);

/** Two starts for each cut, which comes before, between or after them. */
async function story(host: Host, cuts: number): Promise<void> {
  onTestFinished(() => host.close(), 60_000);
  const cutter = await Cutter.open(host.dockerHost);
  onTestFinished(() => cutter.close());
  const broker = await Listener.open();
  onTestFinished(() => broker.close());
  const agent = await host.agent(broker.url, cutter.dockerHost);
  const started: string[] = [];
  const others: string[] = [];
  const start = async (n: number): Promise<void> => {
    const id = await host.start(n);
    started.push(id);
    if (n % 4 === 3) {
      // It runs in no list: only its event tells of it.
      await host.engine.kill(id, "KILL");
    }
  };
  for (let n = 0; n < cuts; n += 1) {
    await cutter.streaming();
    const at = n % 3;
    if (at === 0) cutter.cut();
    await start(2 * n);
    if (at === 1) cutter.cut();
    await start(2 * n + 1);
    if (at === 2) cutter.cut();
    if (n % 5 === 0) {
      others.push(
        await host.create(10_000 + n),
        await host.start(20_000 + n, {
          labels: { [host.label.split("=")[0] ?? ""]: "another" },
        }),
      );
    }
  }
  await broker.until(() => broker.missing(started).length === 0);
  expect(cutter.cuts).toBe(cuts);
  expect(started).toHaveLength(2 * cuts);
  expect(broker.missing(started)).toEqual([]);
  expect(broker.missing(others)).toEqual(others);
  const known = new Set(started);
  expect(broker.notices.filter((one) => !known.has(one.containerId))).toEqual(
    [],
  );
  expect(await agent.metric("stream_connects_total")).toBeGreaterThanOrEqual(
    cuts,
  );
}
