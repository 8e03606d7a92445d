// RunTask as a request: what it makes, what it repeats and what it refuses.

import { afterEach, beforeEach, expect, test } from "vitest";
import { awsDefinitionLimits } from "./definition-input.ts";
import { registerTaskDefinition } from "./definitions.ts";
import { Input, type Json } from "./input.ts";
import type { TaskRecord } from "./records.ts";
import { runTask, type RunContext } from "./run-task.ts";
import { defaultDelays, Runner } from "./runner.ts";
import { Store } from "./store.ts";
import { countingHex, FakeEngine, ManualClock } from "./testing.ts";

let context: RunContext;

beforeEach(() => {
  const clock = new ManualClock();
  const hex = countingHex();
  const store = new Store(
    { partition: "aws", account: "123456789012", region: "us-east-1" },
    clock,
    hex,
    "10.0.0.1",
  );
  store.addCluster("default");
  const runner = new Runner({
    clock,
    hex,
    engine: new FakeEngine(),
    delays: { ...defaultDelays },
    secrets: new Map(),
    clusterLabel: "name",
    region: "us-east-1",
  });
  context = { store, runner, tokens: new Map() };
  const containerDefinitions = [{ name: "app", image: "app", memory: 64 }];
  for (const networkMode of ["bridge", "awsvpc"]) {
    const definition = new Input({
      family: networkMode,
      networkMode,
      containerDefinitions,
    });
    registerTaskDefinition(store, definition, awsDefinitionLimits);
  }
});

afterEach(() => context.runner.close());

function run(request: Json): TaskRecord[] {
  return runTask(context, new Input(request)).tasks;
}

const networkConfiguration = { awsvpcConfiguration: { subnets: ["subnet-1"] } };

test("several tasks are several ARNs of the long format, in the family's group", () => {
  const tasks = run({ taskDefinition: "bridge", count: 3, startedBy: "test" });
  expect(new Set(tasks.map(({ taskArn }) => taskArn)).size).toBe(3);
  for (const task of tasks) {
    expect(task.taskArn).toMatch(
      /^arn:aws:ecs:us-east-1:123456789012:task\/default\/[0-9a-f]{32}$/,
    );
    expect(task).toMatchObject({
      group: "family:bridge",
      startedBy: "test",
      lastStatus: "PENDING",
      launchType: "EC2",
    });
  }
});

test("the same client token gives the same tasks, and with other parameters a conflict", () => {
  const request = { taskDefinition: "bridge", clientToken: "t" };
  const [first] = run(request);
  expect(run(request)[0]?.taskArn).toBe(first?.taskArn);
  expect(() => run({ ...request, count: 2 })).toThrow(/clientToken/);
  expect(run({ ...request, clientToken: "u" })[0]?.taskArn).not.toBe(
    first?.taskArn,
  );
});

test("a Fargate task has no container instance", () => {
  const [task] = run({
    taskDefinition: "awsvpc",
    launchType: "FARGATE",
    networkConfiguration,
  });
  expect(task).toMatchObject({
    launchType: "FARGATE",
    platformVersion: "1.4.0",
    lastStatus: "PROVISIONING",
  });
  expect(task).not.toHaveProperty("containerInstanceArn");
});

test.each<[string, Json, RegExp]>([
  [
    "Fargate in bridge mode",
    { taskDefinition: "bridge", launchType: "FARGATE" },
    /FARGATE/,
  ],
  ["no definition", {}, /TaskDefinition can not be blank/],
  [
    "no task at all",
    { taskDefinition: "bridge", count: 0 },
    /between 1 and 10/,
  ],
  ["eleven tasks", { taskDefinition: "bridge", count: 11 }, /between 1 and 10/],
  [
    "a service's group",
    { taskDefinition: "bridge", group: "service:web" },
    /Invalid namespace for group/,
  ],
  [
    "a starter with odd characters",
    { taskDefinition: "bridge", startedBy: "a b" },
    /startedBy/,
  ],
  [
    "an unknown launch type",
    { taskDefinition: "bridge", launchType: "MOON" },
    /Unrecognized launch type/,
  ],
  [
    "an unknown revision",
    { taskDefinition: "bridge:2" },
    /TaskDefinition not found/,
  ],
  [
    "no subnet",
    {
      taskDefinition: "awsvpc",
      networkConfiguration: { awsvpcConfiguration: {} },
    },
    /subnets can not be empty/,
  ],
])("%s is refused, and no task is made", (_, request, message) => {
  expect(() => run(request)).toThrow(message);
  expect(context.store.visibleTasks("default")).toEqual([]);
});

test("a cluster without machines runs nothing", () => {
  context.store.instances.clear();
  expect(() => run({ taskDefinition: "bridge" })).toThrow(
    "No Container Instances were found in your cluster.",
  );
});
