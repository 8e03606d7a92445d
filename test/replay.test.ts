// One container, one token, however often and by however many it is asked for.

import { looseTask, notify, Stack } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { mintedAccessors } from "./facts.ts";

let stack: Stack;
let url: string;
let other: string;

beforeAll(async () => {
  stack = await Stack.start({ containers: false });
  ({ url } = await stack.startBroker());
  ({ url: other } = await stack.startBroker());
});
afterAll(() => stack.close());

test("fifty notices at once, to two brokers on one ledger, give one token and one answer", async () => {
  const before = mintedAccessors(stack).length;
  const task = await looseTask(stack);
  const entrypoint = task.start();
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      notify(index % 2 === 0 ? url : other, task.notice),
    ),
  );
  expect(answers.map((answer) => answer.code)).toEqual(
    Array(50).fill("delivered"),
  );
  expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
  expect(mintedAccessors(stack)).toHaveLength(before + 1);
  await entrypoint.line((line) => line.fields["app"] === "started");
  await entrypoint.stop();
});

test("a notice after the delivery is refused by every broker, also after a restart, and nothing is minted", async () => {
  const task = await looseTask(stack);
  const entrypoint = task.start();
  expect((await notify(url, task.notice)).code).toBe("delivered");
  const before = mintedAccessors(stack).length;
  const { daemon, url: later } = await stack.startBroker();
  for (const broker of [url, other, later]) {
    expect(await notify(broker, task.notice)).toMatchObject({
      status: 409,
      code: "already_delivered",
    });
  }
  expect(mintedAccessors(stack)).toHaveLength(before);
  await entrypoint.stop();
  expect(await daemon.stop()).toBe(0);
});

test("spelling the same container otherwise gives no second token", async () => {
  const task = await looseTask(stack);
  const entrypoint = task.start();
  expect((await notify(url, task.notice)).code).toBe("delivered");
  const before = mintedAccessors(stack).length;
  const { taskArn, cluster } = task.notice;
  const spellings = [
    { ...task.notice, cluster: stack.aws.clusterArn },
    { ...task.notice, taskArn: taskArn.replace(`/${cluster}/`, "/") },
    { ...task.notice, taskArn: taskArn.split("/").at(-1) ?? "" },
    { ...task.notice, containerId: task.notice.containerId.slice(0, 12) },
    { ...task.notice, containerId: task.notice.containerId.toUpperCase() },
  ];
  const answers = await Promise.all(
    spellings.map((notice) => notify(url, notice)),
  );
  expect(answers.map((answer) => answer.code)).toEqual([
    "already_delivered",
    expect.stringMatching(
      /^(already_delivered|task_not_found|ecs_unavailable)$/,
    ),
    "bad_request",
    "container_not_found",
    "container_not_found",
  ]);
  expect(mintedAccessors(stack)).toHaveLength(before);
  await entrypoint.line((line) => line.fields["app"] === "started");
  await entrypoint.stop();
});
