// A task's life in manual time: every state in order, what the API shows when, dependencies, restarts and ends.

import { afterEach, expect, test } from "vitest";
import { awsDefinitionLimits } from "./definition-input.ts";
import { registerTaskDefinition } from "./definitions.ts";
import { describeTasks } from "./describe-tasks.ts";
import { Input } from "./input.ts";
import type { TaskRecord } from "./records.ts";
import { type RunContext, runTask } from "./run-task.ts";
import { stopTask } from "./stop-task.ts";
import { defaultDelays, type Delays, Runner } from "./runner.ts";
import { Store } from "./store.ts";
import { countingHex, FakeEngine, ManualClock, settled } from "./testing.ts";

const open: Runner[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((runner) => runner.close()));
});

interface World extends RunContext {
  readonly clock: ManualClock;
  readonly engine: FakeEngine;
  /** What DescribeTasks shows of the task, or undefined while it is MISSING. */
  readonly shown: () => TaskRecord | undefined;
  readonly container: (name: string) => TaskRecord["containers"][number];
}

async function start(
  containers: readonly Record<string, unknown>[],
  more: {
    readonly delays?: Partial<Delays>;
    readonly networkMode?: string;
    readonly secrets?: Record<string, string>;
    readonly volumes?: unknown;
    readonly engine?: FakeEngine;
    readonly run?: Record<string, unknown>;
  } = {},
): Promise<World> {
  const clock = new ManualClock();
  const engine = more.engine ?? new FakeEngine();
  const hex = countingHex();
  const store = new Store(
    { partition: "aws", account: "123456789012", region: "us-east-1" },
    clock,
    hex,
    "172.17.0.1",
  );
  store.addCluster("default");
  const runner = new Runner({
    clock,
    hex,
    engine,
    delays: { ...defaultDelays, batchMs: 0, ...more.delays },
    secrets: new Map(Object.entries(more.secrets ?? {})),
    clusterLabel: "name",
    region: "us-east-1",
  });
  open.push(runner);
  const { networkMode = "bridge", volumes } = more;
  const containerDefinitions = containers.map((one) => ({
    image: "app",
    memory: 64,
    ...one,
  }));
  registerTaskDefinition(
    store,
    new Input({
      family: "web",
      networkMode,
      containerDefinitions,
      ...(volumes !== undefined && { volumes }),
    }),
    awsDefinitionLimits,
  );
  const context = { store, runner, tokens: new Map() };
  const network = networkMode === "awsvpc" && {
    networkConfiguration: { awsvpcConfiguration: { subnets: ["subnet-1"] } },
  };
  const { tasks } = runTask(
    context,
    new Input({ taskDefinition: "web", ...network, ...more.run }),
  );
  const taskArn = tasks[0]?.taskArn ?? "";
  await settled();
  const shown = (): TaskRecord | undefined =>
    describeTasks(store, new Input({ tasks: [taskArn] })).tasks[0];
  const container = (name: string): TaskRecord["containers"][number] => {
    const found = shown()?.containers.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no container ${name}`);
    return found;
  };
  return { ...context, clock, engine, shown, container };
}

test("a task passes through every state in ECS's order", async () => {
  const delays = {
    provisioningMs: 100,
    pendingMs: 100,
    pullMs: 100,
    activatingMs: 100,
    deactivatingMs: 100,
    stoppingMs: 100,
    deprovisioningMs: 100,
  };
  const { clock, shown, store, runner, tokens } = await start(
    [{ name: "app" }],
    { delays, networkMode: "awsvpc" },
  );
  const seen: (string | undefined)[] = [shown()?.lastStatus];
  for (let step = 0; step < 5; step += 1) {
    await clock.advance(100);
    seen.push(shown()?.lastStatus);
  }
  stopTask({ store, runner, tokens }, new Input({ task: shown()?.taskArn }));
  await settled();
  seen.push(shown()?.lastStatus);
  for (let step = 0; step < 3; step += 1) {
    await clock.advance(100);
    seen.push(shown()?.lastStatus);
  }
  expect(seen.filter((one, index) => one !== seen[index - 1])).toEqual([
    "PROVISIONING",
    "PENDING",
    "ACTIVATING",
    "RUNNING",
    "DEACTIVATING",
    "STOPPING",
    "DEPROVISIONING",
    "STOPPED",
  ]);
});

test("its times are those of the steps, in epoch seconds, and startedAt is absent until it runs", async () => {
  const { clock, shown } = await start([{ name: "app" }], {
    delays: { pendingMs: 1000, pullMs: 2500, activatingMs: 500 },
  });
  const born = Date.UTC(2026, 0, 1) / 1000;
  expect(shown()).toMatchObject({ createdAt: born, lastStatus: "PENDING" });
  expect(shown()).not.toHaveProperty("startedAt");
  await clock.advance(4000);
  expect(shown()).toMatchObject({
    pullStartedAt: born + 1,
    pullStoppedAt: born + 3.5,
    startedAt: born + 4,
    lastStatus: "RUNNING",
  });
});

test("a new task is MISSING for a moment", async () => {
  const { clock, shown } = await start([{ name: "app" }], {
    delays: { missingMs: 300 },
  });
  expect(shown()).toBeUndefined();
  await clock.advance(299);
  expect(shown()).toBeUndefined();
  await clock.advance(1);
  expect(shown()?.lastStatus).toBe("RUNNING");
});

test("container states of a PENDING task become visible only with the batch", async () => {
  const health = { command: ["CMD", "true"] };
  const { clock, engine, shown, container } = await start(
    [
      { name: "side", healthCheck: health },
      {
        name: "app",
        dependsOn: [{ containerName: "side", condition: "HEALTHY" }],
      },
    ],
    { delays: { batchMs: 10_000 } },
  );
  expect(engine.calls).toEqual(["create side", "start side"]);
  expect(container("side")).toMatchObject({ lastStatus: "PENDING" });
  expect(container("side")).not.toHaveProperty("runtimeId");
  await clock.advance(10_000);
  expect(shown()?.lastStatus).toBe("PENDING");
  expect(container("side")).toMatchObject({
    lastStatus: "RUNNING",
    runtimeId: engine.idOf("side"),
  });
  engine.setHealth(engine.idOf("side"), "HEALTHY");
  await settled();
  // The task runs now, and with that change everything is shown.
  expect(shown()?.lastStatus).toBe("RUNNING");
  expect(container("app")).toMatchObject({
    lastStatus: "RUNNING",
    runtimeId: engine.idOf("app"),
  });
});

test("health that no event told is found by asking", async () => {
  const { clock, engine, shown } = await start([
    { name: "side", healthCheck: { command: ["CMD", "true"] } },
    {
      name: "app",
      dependsOn: [{ containerName: "side", condition: "HEALTHY" }],
    },
  ]);
  const side = engine.containers.get(engine.idOf("side"));
  if (side !== undefined) side.health = "HEALTHY";
  await clock.advance(1_000);
  expect(shown()).toMatchObject({
    lastStatus: "RUNNING",
    healthStatus: "HEALTHY",
  });
});

test("when an essential container exits the task stops and says so", async () => {
  const { engine, shown, container } = await start([
    { name: "app" },
    { name: "side", essential: false },
  ]);
  engine.exit(engine.idOf("app"), 3);
  await settled();
  expect(shown()).toMatchObject({
    lastStatus: "STOPPED",
    desiredStatus: "STOPPED",
    stopCode: "EssentialContainerExited",
    stoppedReason: "Essential container in task exited",
  });
  expect(container("app")).toMatchObject({
    lastStatus: "STOPPED",
    exitCode: 3,
  });
  expect(container("side")).toMatchObject({
    lastStatus: "STOPPED",
    exitCode: 143,
  });
});

test("when a non-essential container exits the task runs on", async () => {
  const { engine, shown, container } = await start([
    { name: "app" },
    { name: "side", essential: false },
  ]);
  engine.exit(engine.idOf("side"), 1);
  await settled();
  expect(shown()?.lastStatus).toBe("RUNNING");
  expect(container("side")).toMatchObject({
    lastStatus: "STOPPED",
    exitCode: 1,
  });
});

test("a restart policy restarts the same container: runtimeId and startedAt stay, the ephemeral port is another", async () => {
  const { clock, engine, shown, container } = await start([
    {
      name: "app",
      portMappings: [{ containerPort: 80 }],
      restartPolicy: { enabled: true, restartAttemptPeriod: 60 },
    },
  ]);
  const before = structuredClone(shown());
  await clock.advance(60_000);
  engine.exit(engine.idOf("app"), 1);
  await settled();
  expect(shown()).toMatchObject({
    lastStatus: "RUNNING",
    startedAt: before?.startedAt,
  });
  expect(container("app")).toMatchObject({
    lastStatus: "RUNNING",
    runtimeId: before?.containers[0]?.runtimeId,
  });
  expect(container("app").networkBindings[0]?.hostPort).toBe(32_769);
  expect(engine.calls.filter((one) => one === "start app")).toHaveLength(2);
});

test.each([
  ["exits before the attempt period is over", 59_999, 1],
  ["exits with an ignored code", 60_000, 42],
])("a container that %s is not restarted", async (_, afterMs, exitCode) => {
  const { clock, engine, shown } = await start([
    {
      name: "app",
      restartPolicy: {
        enabled: true,
        restartAttemptPeriod: 60,
        ignoredExitCodes: [42],
      },
    },
  ]);
  await clock.advance(afterMs);
  engine.exit(engine.idOf("app"), exitCode);
  await settled();
  expect(shown()).toMatchObject({
    lastStatus: "STOPPED",
    stopCode: "EssentialContainerExited",
  });
});

test("StopTask stops dependents first, with each container's own grace, and keeps the caller's reason", async () => {
  const world = await start([
    { name: "base" },
    {
      name: "app",
      stopTimeout: 5,
      dependsOn: [{ containerName: "base", condition: "START" }],
    },
  ]);
  const { task } = stopTask(
    world,
    new Input({ task: world.shown()?.taskArn, reason: "enough" }),
  );
  expect(task).toMatchObject({
    desiredStatus: "STOPPED",
    lastStatus: "RUNNING",
  });
  await settled();
  expect(world.shown()).toMatchObject({
    stopCode: "UserInitiated",
    stoppedReason: "enough",
    lastStatus: "STOPPED",
  });
  expect(world.engine.calls.filter((one) => one.startsWith("stop"))).toEqual([
    "stop app 5",
    "stop base 30",
  ]);
});

test("a task stopped while it is PENDING starts no container", async () => {
  const world = await start([{ name: "app" }], { delays: { pendingMs: 1000 } });
  stopTask(world, new Input({ task: world.shown()?.taskArn }));
  await settled();
  expect(world.shown()).toMatchObject({
    lastStatus: "STOPPED",
    stopCode: "UserInitiated",
  });
  expect(world.shown()).not.toHaveProperty("startedAt");
  expect(world.engine.calls).toEqual([]);
});

test("an image that is not there fails the task as a failed pull does", async () => {
  const { shown } = await start([{ name: "app", image: "nowhere" }]);
  expect(shown()).toMatchObject({
    lastStatus: "STOPPED",
    stopCode: "TaskFailedToStart",
  });
  expect(shown()?.stoppedReason).toMatch(/^CannotPullContainerError: /);
});

test("a container that can't be started fails its task, with the engine's reason", async () => {
  const engine = new FakeEngine();
  engine.broken.add("app");
  const { shown, container } = await start([{ name: "app" }], { engine });
  expect(shown()).toMatchObject({
    lastStatus: "STOPPED",
    stopCode: "TaskFailedToStart",
  });
  expect(container("app").reason).toBe(
    "CannotStartContainerError: no such file: /missing",
  );
});

test("a dependency that must succeed and doesn't fails the task", async () => {
  const { engine, shown } = await start([
    { name: "init", essential: false },
    {
      name: "app",
      dependsOn: [{ containerName: "init", condition: "SUCCESS" }],
    },
  ]);
  engine.exit(engine.idOf("init"), 1);
  await settled();
  expect(shown()).toMatchObject({
    lastStatus: "STOPPED",
    stopCode: "TaskFailedToStart",
  });
  expect(engine.calls).not.toContain("create app");
});

test("a dependency that completes lets the task run", async () => {
  const { engine, shown, container } = await start([
    { name: "init", essential: false },
    {
      name: "app",
      dependsOn: [{ containerName: "init", condition: "COMPLETE" }],
    },
  ]);
  expect(shown()?.lastStatus).toBe("PENDING");
  engine.exit(engine.idOf("init"), 1);
  await settled();
  expect(shown()?.lastStatus).toBe("RUNNING");
  expect(container("init")).toMatchObject({
    lastStatus: "STOPPED",
    exitCode: 1,
  });
});

test("a dependency is given up after its startTimeout", async () => {
  const { clock, shown } = await start([
    { name: "init", essential: false, startTimeout: 20 },
    {
      name: "app",
      dependsOn: [{ containerName: "init", condition: "COMPLETE" }],
    },
  ]);
  await clock.advance(19_999);
  expect(shown()?.lastStatus).toBe("PENDING");
  await clock.advance(1);
  expect(shown()).toMatchObject({
    lastStatus: "STOPPED",
    stopCode: "TaskFailedToStart",
  });
});

test("a stopped task is described for an hour, then MISSING, and its container is removed", async () => {
  const { clock, engine, shown } = await start([{ name: "app" }]);
  engine.exit(engine.idOf("app"), 0);
  await clock.advance(3_599_999);
  expect(shown()?.lastStatus).toBe("STOPPED");
  await clock.advance(1);
  expect(shown()).toBeUndefined();
  expect(engine.calls.at(-1)).toBe("remove app");
});

test("secrets come from the map, whole or by JSON key, and one that isn't there fails the task", async () => {
  const arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf";
  const secrets = [
    { name: "KEY", valueFrom: "/web/key" },
    { name: "PASSWORD", valueFrom: `${arn}:password::` },
  ];
  const values = { "/web/key": "k", [arn]: '{"password":"p"}' };
  const good = await start([{ name: "app", secrets }], { secrets: values });
  expect(
    good.engine.containers.get(good.engine.idOf("app"))?.spec.env,
  ).toMatchObject({ KEY: "k", PASSWORD: "p" });
  const bad = await start([{ name: "app", secrets }], {
    secrets: { "/web/key": "k" },
  });
  expect(bad.shown()).toMatchObject({
    lastStatus: "STOPPED",
    stopCode: "TaskFailedToStart",
  });
  expect(bad.shown()?.stoppedReason).toMatch(
    /^ResourceInitializationError: .*password/,
  );
});

test("an awsvpc task has an attachment and an address, and its containers share the pause container's network", async () => {
  const { engine, shown, container } = await start(
    [{ name: "app", portMappings: [{ containerPort: 80 }] }],
    {
      networkMode: "awsvpc",
    },
  );
  const pauseId = engine.idOf("~internal~ecs~pause");
  expect(engine.containers.get(engine.idOf("app"))?.spec.network).toEqual({
    kind: "shared",
    containerId: pauseId,
  });
  expect(container("app")).toMatchObject({
    networkBindings: [],
    networkInterfaces: [{ privateIpv4Address: "172.30.0.2" }],
  });
  expect(shown()?.attachments[0]).toMatchObject({
    type: "ElasticNetworkInterface",
    status: "ATTACHED",
  });
  expect(shown()?.attachments[0]?.details).toContainEqual({
    name: "privateIPv4Address",
    value: "172.30.0.2",
  });
});

test("containers carry the agent's labels, which a definition's own can't replace", async () => {
  const dockerLabels = {
    "vaultbuddy.enable": "true",
    "com.amazonaws.ecs.task-arn": "forged",
  };
  const { engine, shown } = await start([{ name: "app", dockerLabels }]);
  expect(engine.containers.get(engine.idOf("app"))?.spec.labels).toMatchObject({
    "vaultbuddy.enable": "true",
    "com.amazonaws.ecs.cluster": "default",
    "com.amazonaws.ecs.container-name": "app",
    "com.amazonaws.ecs.task-arn": shown()?.taskArn,
    "com.amazonaws.ecs.task-definition-family": "web",
    "com.amazonaws.ecs.task-definition-version": "1",
  });
});

test("overrides reach the container and are shown, and every other container is listed by its bare name", async () => {
  const override = {
    name: "app",
    command: ["env"],
    environment: [{ name: "A", value: "2" }],
  };
  const { engine, shown } = await start(
    [
      { name: "app", environment: [{ name: "A", value: "1" }] },
      { name: "side" },
    ],
    { run: { overrides: { containerOverrides: [override] } } },
  );
  const { spec } = engine.containers.get(engine.idOf("app")) ?? {};
  expect(spec?.command).toEqual(["env"]);
  expect(spec?.env["A"]).toBe("2");
  expect(shown()?.overrides.containerOverrides).toEqual([
    override,
    { name: "side" },
  ]);
});

test("a volume without a host path is the task's own", async () => {
  const { engine } = await start(
    [
      {
        name: "app",
        mountPoints: [
          { sourceVolume: "data", containerPath: "/data", readOnly: true },
        ],
      },
    ],
    { volumes: [{ name: "data" }] },
  );
  const [volume = ""] = engine.volumes;
  expect(engine.containers.get(engine.idOf("app"))?.spec.mounts).toEqual([
    { source: volume, target: "/data", readOnly: true },
  ]);
});

test("closing the stack ends its tasks and leaves nothing in the engine", async () => {
  const { engine, runner } = await start([{ name: "app" }], {
    networkMode: "awsvpc",
  });
  await runner.close();
  expect([engine.containers.size, engine.networks.length]).toEqual([0, 0]);
});
