// Whoever pretends to be an agent, or runs a task he should not: nothing is minted.

import { looseTask, notify, Stack } from "@vaultbuddy/devstack";
import type { LooseSpec } from "@vaultbuddy/devstack";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { mintedAccessors } from "./facts.ts";

let stack: Stack;
let url: string;

beforeAll(async () => {
  stack = await Stack.start({ containers: false });
  ({ url } = await stack.startBroker(["--delivery-timeout", "3s"]));
});
afterAll(() => stack.close());
afterEach(() => {
  expect(mintedAccessors(stack)).toEqual([]);
});

const ago = (seconds: number): number => Date.now() / 1000 - seconds;

test.each<[string, LooseSpec, number, string]>([
  [
    "a task that has stopped",
    { record: { desiredStatus: "STOPPED", lastStatus: "STOPPED" } },
    409,
    "task_not_running",
  ],
  [
    "a task that is stopping",
    { record: { desiredStatus: "STOPPED", lastStatus: "RUNNING" } },
    409,
    "task_not_running",
  ],
  [
    "a task that is too old",
    { record: { startedAt: ago(125), createdAt: ago(130) } },
    403,
    "task_too_old",
  ],
  [
    "a container that did not opt in",
    { container: { dockerLabels: {} } },
    403,
    "policy_denied",
  ],
  ["a family without a rule", { family: "stranger" }, 403, "policy_denied"],
  [
    "a task that was run with another command",
    {
      record: {
        overrides: { containerOverrides: [{ name: "app", command: ["env"] }] },
      },
    },
    403,
    "policy_denied",
  ],
  [
    "a task with ECS Exec",
    { record: { enableExecuteCommand: true } },
    403,
    "policy_denied",
  ],
  [
    "a task definition with the key in plain sight",
    { container: { environment: [{ name: "WIS_HMAC_KEY", value: "x" }] } },
    403,
    "policy_denied",
  ],
])("%s gets nothing", async (_name, spec, status, code) => {
  const task = await looseTask(stack, spec);
  const entrypoint = task.start();
  expect(await notify(url, task.notice)).toMatchObject({ status, code });
  await entrypoint.stop();
});

test("a made-up task, another cluster's, another container and another id get nothing", async () => {
  const task = await looseTask(stack);
  const { notice } = task;
  const [absent, account, other, name, id] = await Promise.all([
    notify(url, {
      ...notice,
      taskArn: notice.taskArn.replace(/[0-9a-f]{32}$/, "f".repeat(32)),
    }),
    notify(url, {
      ...notice,
      taskArn: notice.taskArn.replace(stack.aws.account, "999999999999"),
    }),
    notify(url, {
      ...notice,
      taskArn: notice.taskArn.replace("/default/", "/elsewhere/"),
      cluster: "elsewhere",
    }),
    notify(url, { ...notice, containerName: "sidecar" }),
    notify(url, { ...notice, containerId: "e".repeat(64) }),
  ]);
  expect([account.code, name.code, id.code]).toEqual([
    "cluster_not_allowed",
    "container_not_found",
    "container_not_found",
  ]);
  expect(absent.code).toMatch(/^task_not_(found|running)$/);
  expect(["task_not_found", "ecs_unavailable"]).toContain(other.code);
});

test("a cluster that is not on the list costs no call to AWS", async () => {
  const before = stack.aws.audit.list().length;
  const task = await looseTask(stack);
  const during = stack.aws.audit.list().length;
  await notify(url, {
    ...task.notice,
    taskArn: task.notice.taskArn.replace(stack.aws.account, "999999999999"),
  });
  expect(stack.aws.audit.list()).toHaveLength(during);
  expect(during).toBeGreaterThan(before);
});

test("what an agent adds to its word is not even read", async () => {
  const task = await looseTask(stack);
  for (const extra of [
    { ip: "10.0.0.1" },
    { port: 9 },
    { policies: ["root"] },
    { labels: {} },
  ]) {
    expect(await notify(url, { ...task.notice, ...extra })).toMatchObject({
      status: 400,
      code: "bad_request",
    });
  }
});
