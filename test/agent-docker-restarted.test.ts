// The Docker daemon is killed, and later stopped, and started again, while containers come and go: those that live on are
// not noticed for new, those that it starts again by itself or that are started the moment it answers are all noticed.
// Real Docker only, a second one of its own: the embedded engine's containers end with it.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { Host } from "./agent/host.ts";
import { Listener } from "./agent/listener.ts";
import { SecondDocker } from "./agent/second-docker.ts";
import { noDocker } from "./docker.ts";

const execute = promisify(execFile);

async function docker(host: Host, ...args: string[]): Promise<string> {
  return (
    await execute("docker", ["-H", host.dockerHost, ...args])
  ).stdout.trim();
}

test.skipIf(noDocker)(
  "no start is missed while Docker itself is killed and started again",
  async () => {
    const second = new SecondDocker();
    onTestFinished(() => second.close(), 60_000);
    await second.start();
    const host = await Host.open(second.dockerHost);
    onTestFinished(() => host.close(), 60_000);
    const broker = await Listener.open();
    onTestFinished(() => broker.close());
    await host.agent(broker.url);
    const stays = await host.start(1);
    const revived = await host.start(2);
    const gone = await host.start(3);
    await docker(host, "update", "--restart=always", revived);
    const all = [stays, revived, gone];
    await broker.until(() => broker.missing(all).length === 0);
    expect(broker.missing(all)).toEqual([]);
    for (const [round, how] of (["kill", "stop", "kill"] as const).entries()) {
      const pids = await Promise.all(
        [revived, all.at(-1) ?? gone].map((id) =>
          docker(host, "inspect", "--format", "{{.State.Pid}}", id),
        ),
      );
      const before = broker.times(revived);
      // The very last that Docker does before it goes, and the first that it does when it is back.
      const last = await host.start(100 + round);
      await second[how]();
      for (const pid of pids) {
        process.kill(Number(pid), "SIGKILL");
      }
      await second.start();
      const fresh = [await host.start(200 + round)];
      fresh.push(await host.start(300 + round));
      all.push(last, ...fresh);
      await broker.until(
        () =>
          broker.missing(all).length === 0 && broker.times(revived) > before,
      );
      expect(broker.missing(all)).toEqual([]);
      // Docker started it again by itself: a start like any other.
      expect(broker.times(revived)).toBeGreaterThan(before);
    }
    expect(broker.times(stays)).toBe(1);
    const known = new Set(all);
    expect(broker.notices.filter((one) => !known.has(one.containerId))).toEqual(
      [],
    );
  },
  180_000,
);
