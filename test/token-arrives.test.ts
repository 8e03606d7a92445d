// A started task's app has its secrets, in every network mode, in real containers that hold no credential.

import { execFileSync } from "node:child_process";
import {
  appLine,
  describeTask,
  runSample,
  sampleSecrets,
  Stack,
  stopTask,
  until,
} from "@vaultbuddy/devstack";
import type { Daemon, NetworkMode, SampleTask } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { noDocker } from "./docker.ts";
import { hashed, keepsToken, lives, mintedAccessors } from "./facts.ts";

describe("in containers", () => {
  let stack: Stack;
  let url: string;
  let agent: Daemon;

  beforeAll(async () => {
    stack = await Stack.start();
    ({ url } = await stack.startBroker());
    agent = await stack.startAgent([url], [], { LOG_LEVEL: "trace" });
  });
  afterAll(() => stack.close());

  const secrets = {
    ...sampleSecrets.sample,
    API_KEY: sampleSecrets.shared.api_key,
  };

  test.each<[NetworkMode, Partial<SampleTask>]>([
    ["bridge", {}],
    ["awsvpc", {}],
    ["host", { port: 29_202 }],
  ])(
    "in %s mode the app is process 1 or its like and has its secrets and nothing of ours",
    async (mode, more) => {
      const task = await runSample(stack, { mode, ...more });
      const app = await appLine(stack, task);
      for (const [name, value] of Object.entries(secrets)) {
        expect(app.variables[name], name).toBe(hashed(value));
      }
      expect(
        Object.keys(app.variables).filter((name) =>
          /^(WIS_|VAULT_)/.test(name),
        ),
      ).toEqual([]);
      if (noDocker) {
        return;
      }
      expect(app.pid).toBe(1);
      const id = stack.aws.containerId(task.taskArn, task.containerName) ?? "";
      const top = execFileSync("docker", ["top", id, "-o", "pid"], {
        encoding: "utf8",
      });
      expect(top.trim().split("\n"), "only the app is left").toHaveLength(2);
      await stopTask(stack, task.taskArn);
    },
  );

  test.skipIf(noDocker)(
    "a reader of docker inspect, the image and the task definition finds no secret",
    async () => {
      const task = await runSample(stack, { mode: "bridge" });
      await appLine(stack, task);
      const id = stack.aws.containerId(task.taskArn, task.containerName) ?? "";
      const seen = execFileSync("docker", ["inspect", id, stack.image], {
        encoding: "utf8",
      });
      for (const secret of [...Object.values(secrets), stack.vault.rootToken]) {
        expect(seen).not.toContain(secret);
      }
      await stopTask(stack, task.taskArn);
    },
  );

  test("a token that only read is ended before the app begins", async () => {
    const task = await runSample(stack, { mode: "bridge" });
    await appLine(stack, task);
    expect(await lives(stack, mintedAccessors(stack).at(-1) ?? "")).toBe(false);
    await stopTask(stack, task.taskArn);
  });

  test("a token that the app gets is renewed to the rule's time, and revoked when its task has stopped", async () => {
    const task = await runSample(stack, {
      mode: "bridge",
      environment: keepsToken,
    });
    const app = await appLine(stack, task);
    expect(Object.keys(app.variables)).toContain("APP_TOKEN");
    const accessor = mintedAccessors(stack).at(-1) ?? "";
    const { data } = (await stack.admin.ask(
      "POST",
      "auth/token/lookup-accessor",
      { accessor },
    )) as {
      data: {
        ttl: number;
        orphan: boolean;
        meta: Record<string, string>;
        policies: string[];
      };
    };
    expect(data.ttl).toBeGreaterThan(3500);
    expect(data).toMatchObject({
      orphan: true,
      meta: { task_arn: task.taskArn, family: "sample", container: "app" },
    });
    expect(data.policies).toContain("sample");
    await stopTask(stack, task.taskArn);
    await until(
      async () => ((await lives(stack, accessor)) ? undefined : true),
      () => Promise.resolve("the token of a stopped task still lives"),
      // The agent's hint makes the broker look; its own round would come after half a minute.
      20_000,
    );
  }, 60_000);

  test("an agent that starts after the containers finds them", async () => {
    await agent.stop();
    const task = await runSample(stack, { mode: "bridge" });
    await until(
      async () =>
        (await describeTask(stack, task.taskArn)).lastStatus === "RUNNING"
          ? true
          : undefined,
      () => Promise.resolve("the task did not start"),
    );
    agent = await stack.startAgent([url], [], { LOG_LEVEL: "trace" });
    const app = await appLine(stack, task);
    expect(app.variables["DB_PASSWORD"]).toBe(hashed(secrets.DB_PASSWORD));
  });

  test("the container of a family the broker has no rule for waits out its time and ends with its code", async () => {
    const task = await runSample(stack, {
      mode: "bridge",
      family: "stranger",
      environment: { WIS_TIMEOUT: "3s" },
    });
    const stopped = await until(
      async () => {
        const now = await describeTask(stack, task.taskArn);
        return now.lastStatus === "STOPPED" ? now : undefined;
      },
      () => Promise.resolve("the task did not stop"),
    );
    expect(stopped.containers?.[0]?.exitCode).toBe(224);
  });

  test("the agent never saw a token, a key or a secret", () => {
    const forbidden = [
      ...Object.values(secrets),
      stack.familyKey("sample"),
      stack.vault.rootToken,
    ];
    for (const value of forbidden) {
      expect(stack.output).not.toContain(value);
    }
    expect(agent.output).not.toMatch(/\b[sb]\.[A-Za-z0-9]{20,}/);
  });
});
