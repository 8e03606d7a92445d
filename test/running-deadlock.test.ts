// A task whose other container waits for ours to be healthy stays PENDING while ours waits for its secrets. Asking for a
// RUNNING task would wait for ever; asking for a running container does not.

import {
  nodeInImage,
  runSample,
  appLine,
  describeTask,
  Stack,
  until,
} from "@vaultbuddy/devstack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { noDocker } from "./docker.ts";

describe.skipIf(noDocker)("a container that another one depends on", () => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await Stack.start();
    const { url } = await stack.startBroker();
    await stack.startAgent([url]);
  });
  afterAll(() => stack.close());

  test("is served while its task is PENDING, becomes healthy, and then the other one starts", async () => {
    stack.aws.delays.batchMs = 2000;
    const task = await runSample(stack, {
      mode: "awsvpc",
      environment: { WIS_TIMEOUT: "90s" },
      container: {
        healthCheck: {
          // Healthy as soon as process 1 is the app: the entrypoint has gone by then.
          command: [
            "CMD",
            nodeInImage,
            "-e",
            "process.exit(require('fs').readFileSync('/proc/1/cmdline','utf8').includes('entrypoint') ? 1 : 0)",
          ],
          interval: 5,
          retries: 10,
          timeout: 5,
        },
      },
      others: [
        {
          name: "second",
          image: stack.image,
          memory: 128,
          essential: false,
          entryPoint: [
            nodeInImage,
            "-e",
            "console.log('second runs'); setInterval(() => undefined, 1e6)",
          ],
          dependsOn: [{ containerName: "app", condition: "HEALTHY" }],
        },
      ],
    });
    await appLine(stack, task, 60_000);
    expect((await describeTask(stack, task.taskArn)).lastStatus).toBe(
      "PENDING",
    );
    await until(
      async () =>
        (await stack.aws.logs(task.taskArn, "second")).includes("second runs")
          ? true
          : undefined,
      () => Promise.resolve("the second container did not start"),
      60_000,
    );
    await until(
      async () =>
        (await describeTask(stack, task.taskArn)).lastStatus === "RUNNING"
          ? true
          : undefined,
      () => Promise.resolve("the task did not become RUNNING"),
      60_000,
    );
  }, 180_000);
});
