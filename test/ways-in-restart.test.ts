// A container that ECS restarts in place keeps its task, its id and its start time, and needs a new token: it gets one
// where its rule says so, as often and as soon as the rule says, and the token before is taken back first, but not before
// the new container stands there.

import {
  describeTask,
  looseTask,
  notify,
  readAppLine,
  runSample,
  Stack,
  stopTask,
  until,
} from "@vaultbuddy/devstack";
import type { Daemon, LooseTask, NetworkMode } from "@vaultbuddy/devstack";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { keepsToken, lives, mintedAccessors } from "./facts.ts";

const rule = (restart?: unknown): Record<string, unknown> => ({
  policies: ["sample"],
  secrets: ["secret/sample"],
  ...(restart === undefined ? {} : { restart }),
});

describe("loose", () => {
  let stack: Stack;
  let url: string;
  beforeAll(async () => {
    stack = await Stack.start({
      containers: false,
      policy: {
        twice: rule({ max: 2, min_interval: "1s" }),
        patient: rule({ max: 5, min_interval: "1h" }),
        never: rule(),
      },
    });
    ({ url } = await stack.startBroker(["--delivery-timeout", "4s"]));
  });
  afterAll(() => stack.close());
  afterEach(() => stack.vault.audit.clear());

  const ago = (seconds: number): number => Date.now() / 1000 - seconds;

  /** A task that has had its first token and whose container has ended. */
  async function servedOnce(family: string): Promise<LooseTask> {
    const task = await looseTask(stack, { family, env: keepsToken });
    const entrypoint = task.start();
    expect((await notify(url, task.notice)).code).toBe("delivered");
    // One that is ended before takes its token with it.
    await entrypoint.line((line) => line.fields["app"] === "started");
    await entrypoint.stop();
    return task;
  }

  /** A second has to pass: the shortest interval there is. */
  const interval = (): Promise<void> =>
    new Promise((resolve) => setTimeout(resolve, 1100));

  test("max and min_interval: the fourth token is not given, and age does not count", async () => {
    const task = await servedOnce("twice");
    const tooSoon = await notify(url, task.notice);
    expect(tooSoon.code).toBe("already_delivered");
    stack.aws.updateTask(task.notice.taskArn, {
      startedAt: ago(7200),
      createdAt: ago(7210),
    });
    for (let generation = 1; generation <= 2; generation += 1) {
      await interval();
      const entrypoint = task.start();
      expect((await notify(url, task.notice)).code).toBe("delivered");
      await entrypoint.line((line) => line.fields["app"] === "started");
      await entrypoint.stop();
    }
    await interval();
    const entrypoint = task.start();
    expect((await notify(url, task.notice)).code).toBe("already_delivered");
    await entrypoint.stop();
    const minted = mintedAccessors(stack);
    expect(minted).toHaveLength(3);
    const alive = await Promise.all(minted.map((one) => lives(stack, one)));
    expect(alive).toEqual([false, false, true]);
  }, 30_000);

  test.each(["never", "patient"])(
    "a rule that says %s gives no second token",
    async (family) => {
      const task = await servedOnce(family);
      const entrypoint = task.start();
      await interval();
      expect((await notify(url, task.notice)).code).toBe("already_delivered");
      await entrypoint.stop();
      expect(mintedAccessors(stack)).toHaveLength(1);
    },
  );

  test("the earlier token is taken back after the handshake and before the new mint", async () => {
    const task = await servedOnce("twice");
    const [first = ""] = mintedAccessors(stack);
    await interval();
    // Nobody listens: the old token is left alone.
    expect((await notify(url, task.notice)).code).toBe("delivery_timeout");
    expect(await lives(stack, first)).toBe(true);
    stack.vault.audit.clear();
    const entrypoint = task.start();
    expect((await notify(url, task.notice)).code).toBe("delivered");
    await entrypoint.stop();
    expect(await lives(stack, first)).toBe(false);
    const paths = stack.vault.audit.entries.map(({ path }) => path);
    const revoked = paths.indexOf("auth/token/revoke-accessor");
    const minted = paths.indexOf("auth/token/create/vaultbuddy");
    expect(revoked).toBeGreaterThanOrEqual(0);
    expect(minted).toBeGreaterThan(revoked);
  }, 20_000);

  test("while Vault cannot take the earlier token back, there is no new one", async () => {
    const task = await servedOnce("twice");
    await interval();
    const entrypoint = task.start();
    stack.vault.faults.add({
      prefix: "auth/token/revoke-accessor",
      kind: "answer",
      status: 503,
      body: '{"errors":["Vault is sealed"]}',
    });
    stack.vault.audit.clear();
    const answer = await notify(url, task.notice);
    expect(answer.code).toBe("vault_unavailable");
    expect(mintedAccessors(stack)).toEqual([]);
    stack.vault.faults.clear();
    await until(
      async () => {
        const { code } = await notify(url, task.notice);
        return code === "delivered" ? true : undefined;
      },
      () => Promise.resolve("the container was not served afterwards"),
      10_000,
    );
    await entrypoint.stop();
  }, 30_000);

  test("a container whose port is another one now is found there", async () => {
    const task = await servedOnce("twice");
    const elsewhere = await looseTask(stack, { family: "twice" });
    await interval();
    // ECS tells the new port a moment after the agent has told of the start.
    const entrypoint = task.start({
      WIS_LISTEN: `${stack.aws.hostAddress}:${elsewhere.port}`,
    });
    const { url: patient } = await stack.startBroker();
    const answer = notify(patient, task.notice);
    await interval();
    const { containers } = await describeTask(stack, task.notice.taskArn);
    stack.aws.updateTask(task.notice.taskArn, {
      containers: [
        {
          name: "app",
          runtimeId: containers?.[0]?.runtimeId ?? "",
          networkBindings: [
            {
              bindIP: "0.0.0.0",
              containerPort: 9202,
              hostPort: elsewhere.port,
              protocol: "tcp",
            },
          ],
        },
      ],
    });
    expect((await answer).code).toBe("delivered");
    await entrypoint.stop();
  }, 60_000);
});

describe("in containers", () => {
  let stack: Stack;
  let agent: Daemon;
  beforeAll(async () => {
    stack = await Stack.start({
      aws: { limits: { minRestartAttemptPeriodSeconds: 1 } },
      policy: {
        sample: rule({ max: 1, min_interval: "1s" }),
      },
    });
    const { url } = await stack.startBroker();
    agent = await stack.startAgent([url], [], { LOG_LEVEL: "debug" });
  });
  afterAll(() => stack.close());

  test.each<[NetworkMode]>([["bridge"], ["awsvpc"]])(
    "in %s mode ECS restarts it, the agent tells of a new start, and it has its secrets again, once",
    async (mode) => {
      const before = mintedAccessors(stack).length;
      const task = await runSample(stack, {
        mode,
        environment: { ...keepsToken, WIS_TIMEOUT: "6s" },
        container: {
          restartPolicy: { enabled: true, restartAttemptPeriod: 1 },
        },
      });
      const starts = async (): Promise<number> =>
        (await stack.aws.logs(task.taskArn, task.containerName))
          .split("\n")
          .filter((line) => readAppLine(line) !== undefined).length;
      const begun = (count: number): Promise<true> =>
        until(
          async () => ((await starts()) >= count ? true : undefined),
          async () =>
            `the app has not begun ${count} times:\n${await stack.aws.logs(task.taskArn, task.containerName)}\n${agent.output.slice(-3000)}`,
          40_000,
        );
      await begun(1);
      const id = stack.aws.containerId(task.taskArn, task.containerName) ?? "";
      const runtime = (await describeTask(stack, task.taskArn)).containers?.[0]
        ?.runtimeId;
      await pause();
      await stack.engine.kill(id, "SIGKILL");
      await begun(2);
      const again = await describeTask(stack, task.taskArn);
      expect(again.lastStatus).toBe("RUNNING");
      expect(again.containers?.[0]?.runtimeId).toBe(runtime);
      const [first = "", second = ""] = mintedAccessors(stack).slice(before);
      expect([await lives(stack, first), await lives(stack, second)]).toEqual([
        false,
        true,
      ]);
      // The rule allows one: the third start waits in vain and ends with its code.
      await pause();
      await stack.engine.kill(id, "SIGKILL");
      await until(
        async () =>
          (await stack.aws.logs(task.taskArn, task.containerName)).includes(
            "(exit 224)",
          )
            ? true
            : undefined,
        async () =>
          `it did not end for want of a token:\n${await stack.aws.logs(task.taskArn, task.containerName)}`,
        40_000,
      );
      expect(mintedAccessors(stack)).toHaveLength(before + 2);
      expect(await starts()).toBe(2);
      await stopTask(stack, task.taskArn);
    },
    120_000,
  );

  /** Longer than the rule's interval and the restart policy's period, which both begin with a start. */
  const pause = (): Promise<void> =>
    new Promise((resolve) => setTimeout(resolve, 2500));
});
