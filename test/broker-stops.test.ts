// A broker that is told to stop is gone within 25 s, whoever holds a connection and whatever Vault does: ECS sends SIGKILL
// after 30.

import { connect } from "node:net";
import { looseTask, notify, Stack } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start({ containers: false });
});
afterAll(async () => {
  stack.vault.faults.clear();
  await stack.close();
});

const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

test.each([
  ["half a head", "POST /v1/notify HTTP/1.1\r\nHost: broker\r\n"],
  [
    "half a body",
    "POST /v1/notify HTTP/1.1\r\nHost: broker\r\nContent-Length: 100\r\n\r\n{",
  ],
])("somebody who has sent %s does not hold it up", async (name, bytes) => {
  const { daemon, url } = await stack.startBroker([
    "--ledger",
    `sqlite:${stack.folder}/${name.replaceAll(" ", "-")}.db`,
  ]);
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  socket.write(bytes);
  await sleep(200);
  const stopped = daemon.stop().then((code) => ({ code }));
  expect(await Promise.race([stopped, sleep(8000)])).toEqual({ code: 0 });
  socket.destroy();
});

test("a Vault that never answers does not hold it up", async () => {
  const { daemon, url } = await stack.startBroker([
    "--ledger",
    `sqlite:${stack.folder}/hang.db`,
  ]);
  const task = await looseTask(stack, { env: { WIS_TIMEOUT: "60s" } });
  task.start();
  stack.vault.faults.add({ prefix: "sys/wrapping", kind: "hang" });
  const answer = notify(url, task.notice).catch(() => undefined);
  await sleep(2000);
  stack.vault.faults.add({ prefix: "", kind: "hang" });
  const stopped = daemon.stop().then((code) => ({ code }));
  expect(await Promise.race([stopped, sleep(27_000)])).toEqual({ code: 0 });
  await answer;
}, 60_000);
