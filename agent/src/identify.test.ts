// Which containers are served, by their labels alone.

import { expect, test } from "vitest";
import { identify, labelFilter } from "./identify.ts";
import { containerId, ecsLabels, taskArn } from "./testing.ts";

const OPT_IN = { name: "vaultbuddy.enable", value: "true" };

function container(
  changes: Record<string, string | undefined> = {},
  name = "ecs-web-1-web-a0b1",
): Parameters<typeof identify>[0] {
  const labels = Object.entries({ ...ecsLabels(1), ...changes });
  return {
    id: containerId(1),
    name,
    labels: new Map(
      labels.filter((one): one is [string, string] => one[1] !== undefined),
    ),
  };
}

test("a container of an ECS task that has opted in is a member of it", () => {
  expect(identify(container(), OPT_IN)).toEqual({
    taskArn: taskArn(1),
    cluster: "main",
    containerName: "web",
    containerId: containerId(1),
  });
});

test("the cluster is the label's word for it, name or ARN", () => {
  const arn = "arn:aws:ecs:us-east-1:123456789012:cluster/main";
  const member = identify(
    container({ "com.amazonaws.ecs.cluster": arn }),
    OPT_IN,
  );
  expect(member).toMatchObject({ cluster: arn });
});

test("without the label the task's ARN names the cluster, and one of the old format leaves it open", () => {
  const bare = { "com.amazonaws.ecs.cluster": undefined };
  expect(identify(container(bare), OPT_IN)).toMatchObject({ cluster: "main" });
  const old =
    "arn:aws:ecs:us-east-1:123456789012:task/01234567-89ab-cdef-0123-456789abcdef";
  expect(
    identify(container({ ...bare, "com.amazonaws.ecs.task-arn": old }), OPT_IN),
  ).not.toHaveProperty("cluster");
});

test.each([
  [
    "without the ECS agent's label",
    { "com.amazonaws.ecs.task-arn": undefined },
    "not_ecs",
  ],
  ["that has not opted in", { "vaultbuddy.enable": undefined }, "not_opted_in"],
  ["that has opted out", { "vaultbuddy.enable": "false" }, "not_opted_in"],
  [
    "with an odd value for true",
    { "vaultbuddy.enable": "TRUE" },
    "not_opted_in",
  ],
  [
    "that is the ECS agent's pause container",
    { "com.amazonaws.ecs.container-name": "~internal~ecs~pause" },
    "internal",
  ],
  [
    "that is a pause container of App Mesh",
    { "com.amazonaws.ecs.container-name": "~internal~ecs~pause-web" },
    "internal",
  ],
  [
    "that is the empty volume's",
    { "com.amazonaws.ecs.container-name": "~internal~ecs-emptyvolume-source" },
    "internal",
  ],
  [
    "with a task ARN that is none",
    { "com.amazonaws.ecs.task-arn": "arn:aws:s3:::bucket" },
    "malformed",
  ],
  [
    "without a container name",
    { "com.amazonaws.ecs.container-name": undefined },
    "malformed",
  ],
  [
    "with a container name that is none",
    { "com.amazonaws.ecs.container-name": "a b\n" },
    "malformed",
  ],
  [
    "with an endless cluster",
    { "com.amazonaws.ecs.cluster": "c".repeat(600) },
    "malformed",
  ],
])("a container %s is left alone", (_, changes, reason) => {
  expect(identify(container(changes), OPT_IN)).toBe(reason);
});

test("a container whose own name is internal is left alone too", () => {
  expect(identify(container({}, "~internal~ecs~pause"), OPT_IN)).toBe(
    "internal",
  );
});

test("an opt-in label without a value asks for the name alone", () => {
  expect(
    identify(container({ "vaultbuddy.enable": "yes" }), {
      name: "vaultbuddy.enable",
    }),
  ).toMatchObject({ containerName: "web" });
});

test("Docker is asked for the two labels only", () => {
  expect(labelFilter(OPT_IN)).toEqual([
    "com.amazonaws.ecs.task-arn",
    "vaultbuddy.enable=true",
  ]);
  expect(labelFilter({ name: "team" })).toEqual([
    "com.amazonaws.ecs.task-arn",
    "team",
  ]);
});
