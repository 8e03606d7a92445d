// What an identifier may be, and ECS's sentence for what it may not.

import { expect, test } from "vitest";
import { clusterNameOf, instanceArnOf, taskArnOf } from "./arn.ts";

const place = {
  partition: "aws",
  account: "123456789012",
  region: "us-east-1",
};
const id = "0123456789abcdef0123456789abcdef";
const arn = `arn:aws:ecs:us-east-1:123456789012:task/main/${id}`;

test.each([
  ["its ARN", arn],
  [
    "its ARN in the old format",
    `arn:aws:ecs:us-east-1:123456789012:task/${id}`,
  ],
  ["its id", id],
])("a task is meant by %s", (_, identifier) => {
  expect(taskArnOf(place, "main", identifier)).toBe(arn);
});

test.each([
  [
    "of another cluster",
    arn.replace("/main/", "/other/"),
    "Invalid identifier: Identifier is for cluster other. Your cluster is main",
  ],
  [
    "of another account",
    arn.replace("123456789012", "999999999999"),
    /another account or region/,
  ],
  [
    "of another region",
    arn.replace("us-east-1", "eu-west-1"),
    /another account or region/,
  ],
  ["of another service", arn.replace(":ecs:", ":ec2:"), /not an ECS ARN/],
  [
    "of another kind",
    arn.replace("task/", "service/"),
    /Unsupported resource type/,
  ],
  [
    "with a part too many",
    `${arn}/x`,
    "Invalid identifier: Unexpected number of separators",
  ],
  [
    "cut off",
    "arn:aws:ecs",
    "Invalid identifier: Unexpected number of separators",
  ],
  ["with an id that is none", "None", "taskId length should be one of [32,36]"],
  ["that is empty", "", /Unexpected characters/],
  ["with odd characters", `../${id}`, /Unexpected characters/],
])("a task's identifier %s is refused", (_, identifier, message) => {
  expect(() => taskArnOf(place, "main", identifier)).toThrow(message);
});

test("a cluster is meant by its name, its ARN, or nothing", () => {
  expect(clusterNameOf(place, "main")).toBe("main");
  expect(
    clusterNameOf(place, "arn:aws:ecs:us-east-1:123456789012:cluster/main"),
  ).toBe("main");
  expect(clusterNameOf(place, undefined)).toBe("default");
});

test.each([
  ["a name ECS would not have", "a b", /Cluster must match/],
  ["a task's ARN", arn, "Unsupported resource type: task"],
  [
    "a cluster of another account",
    "arn:aws:ecs:us-east-1:999999999999:cluster/main",
    "Cluster not found.",
  ],
])("as a cluster, %s is refused", (_, identifier, message) => {
  expect(() => clusterNameOf(place, identifier)).toThrow(message);
});

test("a container instance is meant by its ARN in this cluster", () => {
  const instance = `arn:aws:ecs:us-east-1:123456789012:container-instance/main/${id}`;
  expect(instanceArnOf(place, "main", instance)).toBe(instance);
  expect(instanceArnOf(place, "main", id)).toBe(instance);
});
