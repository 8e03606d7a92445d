// One family in two clusters, and one host for both: each task is looked up in its own cluster and gets a token of its own,
// and a notice that names the other cluster is nobody's.

import { appLine, notify, runSample, Stack } from "@vaultbuddy/devstack";
import type { StartedTask } from "@vaultbuddy/devstack";
import { expect, onTestFinished, test } from "vitest";
import "./docker.ts";
import { keepsToken, living } from "./facts.ts";

const clusters = ["blue", "green"] as const;

test("two clusters with the same family: each task is validated in its own", async () => {
  const stack = await Stack.start({ aws: { clusters } });
  onTestFinished(() => stack.close(), 60_000);
  const { url } = await stack.startBroker();
  const agent = await stack.startAgent([url]);
  const tasks: (StartedTask & { cluster: string })[] = [];
  for (const cluster of clusters) {
    const task = await runSample(stack, {
      mode: "bridge",
      environment: keepsToken,
      run: { cluster },
    });
    tasks.push({ ...task, cluster });
  }
  for (const task of tasks) {
    await appLine(stack, task);
    const { fields } = await agent.line(
      (line) =>
        line.fields["taskArn"] === task.taskArn &&
        line.fields["code"] === "delivered",
    );
    expect(fields["cluster"]).toBe(task.cluster);
    expect(task.taskArn).toContain(`:task/${task.cluster}/`);
  }
  const tokens = await living(stack);
  expect(tokens).toHaveLength(2);

  const [blue] = tasks;
  const { taskArn = "", containerName = "" } = blue ?? {};
  const containerId = stack.aws.containerId(taskArn, containerName) ?? "";
  const notice = { taskArn, containerName, containerId };
  expect(await notify(url, { ...notice, cluster: "blue" })).toMatchObject({
    code: "already_delivered",
  });
  expect(await notify(url, { ...notice, cluster: "green" })).toMatchObject({
    code: "bad_request",
  });
  expect(
    await notify(url, {
      ...notice,
      taskArn: taskArn.replace(":task/blue/", ":task/green/"),
      cluster: "green",
    }),
  ).toMatchObject({ code: "task_not_found" });
  expect(await living(stack)).toEqual(tokens);
}, 120_000);
