// The broker is away while tasks start, and comes back: every container that still waits gets its token, and nothing is
// minted for the one that has given up. A quarter of a minute here; the whole minute is told in manual time in
// agent/src/notify.test.ts.

import { setTimeout as delay } from "node:timers/promises";
import {
  appLine,
  exitCode,
  freePort,
  runSample,
  Stack,
} from "@vaultbuddy/devstack";
import { expect, onTestFinished, test } from "vitest";
import "./docker.ts";
import { keepsToken, mintedAccessors } from "./facts.ts";

/** How long the broker is away, in milliseconds: longer than the agent's longest pause between two rounds. */
const AWAY = 15_000;

test("who still waits when the broker is back after a while is served, and who has given up costs nothing", async () => {
  const stack = await Stack.start();
  onTestFinished(() => stack.close(), 60_000);
  const listen = `127.0.0.1:${await freePort()}`;
  const first = await stack.startBroker(["--listen", listen]);
  const agent = await stack.startAgent([first.url]);
  await first.daemon.kill();
  const task = {
    mode: "bridge",
    environment: { ...keepsToken, WIS_TIMEOUT: "2m" },
  } as const;
  const patient = [];
  for (let n = 0; n < 4; n += 1) {
    patient.push(await runSample(stack, task));
  }
  const hasty = await runSample(stack, {
    mode: "bridge",
    environment: { WIS_TIMEOUT: "3s" },
  });
  expect(await exitCode(stack, hasty)).not.toBe(0);
  await delay(AWAY);
  expect(mintedAccessors(stack)).toEqual([]);
  await stack.startBroker(["--listen", listen]);
  for (const one of patient) {
    await appLine(stack, one);
  }
  expect(mintedAccessors(stack)).toHaveLength(patient.length);
  await agent.said("the container ended before it had its token");
}, 180_000);
