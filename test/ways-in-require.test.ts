// What a rule may demand of a task, and how a container asks for a token: each demand met and not met, through the
// broker's door. Whatever is refused costs nothing: no token is minted.

import { looseTask, notify, Stack } from "@vaultbuddy/devstack";
import type { LooseSpec } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mintedAccessors } from "./facts.ts";

const rule = (require?: Record<string, unknown>): Record<string, unknown> => ({
  policies: ["sample"],
  secrets: ["secret/sample"],
  ...(require === undefined ? {} : { require }),
});
const digest = `sha256:${"ab".repeat(32)}`;

let stack: Stack;
let url: string;
beforeAll(async () => {
  const cluster = "arn:aws:ecs:us-east-1:123456789012:cluster";
  stack = await Stack.start({
    containers: false,
    policy: {
      group: rule({ group: "service:we*" }),
      clusters: rule({ clusters: [`${cluster}/def*`] }),
      elsewhere: rule({ clusters: [`${cluster}/prod`] }),
      launch: rule({ launchType: ["FARGATE", "EXTERNAL"] }),
      started: rule({ startedBy: "ecs-svc/*" }),
      images: rule({
        images: `123456789012.dkr.ecr.us-east-1.amazonaws.com/team/*@${digest}`,
      }),
      all: rule({
        group: ["service:a", "service:b"],
        launchType: "EC2",
        startedBy: "ecs-svc/*",
      }),
      shell: rule({ exec: "allow" }),
      overridden: rule({ overrides: "allow" }),
      plainly: rule(),
      "byname/app": rule(),
      "labelled*": rule(),
    },
  });
  ({ url } = await stack.startBroker(["--delivery-timeout", "10s"]));
});
afterAll(() => stack.close());

async function outcome(spec: LooseSpec): Promise<string> {
  const before = mintedAccessors(stack).length;
  const task = await looseTask(stack, spec);
  const entrypoint = task.start();
  const { code } = await notify(url, task.notice);
  await entrypoint.stop();
  expect(mintedAccessors(stack)).toHaveLength(
    before + (code === "delivered" ? 1 : 0),
  );
  return code;
}

type Record_ = NonNullable<LooseSpec["record"]>;
const image = (name: string, imageDigest = digest): Record_ => ({
  containers: [{ name: "app", image: name, imageDigest }],
});
const override = (members: Record<string, unknown>): Record_ => ({
  overrides: { containerOverrides: [{ name: "app", ...members }] },
});

describe("require", () => {
  test.each<[string, string, Record_, string]>([
    ["the group", "group", { group: "service:web" }, "delivered"],
    ["another group", "group", { group: "family:web" }, "policy_denied"],
    ["the cluster", "clusters", {}, "delivered"],
    ["another cluster", "elsewhere", {}, "policy_denied"],
    ["the launch type", "launch", { launchType: "EXTERNAL" }, "delivered"],
    ["another launch type", "launch", { launchType: "EC2" }, "policy_denied"],
    ["who started it", "started", { startedBy: "ecs-svc/12" }, "delivered"],
    ["somebody else", "started", { startedBy: "me" }, "policy_denied"],
    ["nobody at all", "started", {}, "policy_denied"],
    [
      "every one of several",
      "all",
      { group: "service:b", startedBy: "ecs-svc/1" },
      "delivered",
    ],
    ["all but one", "all", { group: "service:b" }, "policy_denied"],
    ["ECS Exec, allowed", "shell", { enableExecuteCommand: true }, "delivered"],
    ["ECS Exec", "plainly", { enableExecuteCommand: true }, "policy_denied"],
    [
      "overrides, allowed",
      "overridden",
      override({ command: ["x"] }),
      "delivered",
    ],
    [
      "another command",
      "plainly",
      override({ command: ["x"] }),
      "policy_denied",
    ],
    [
      "another environment",
      "plainly",
      override({ environment: [{ name: "A", value: "b" }] }),
      "policy_denied",
    ],
    [
      "an override nobody has heard of",
      "plainly",
      override({ somethingNew: 1 }),
      "policy_denied",
    ],
    ["bare names", "plainly", override({}), "delivered"],
  ])("%s", async (_, family, record, code) => {
    expect(await outcome({ family, record })).toBe(code);
  });

  test.each<[string, string, string | undefined, string]>([
    [
      "the image",
      "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/web:1.2",
      digest,
      "delivered",
    ],
    [
      "the image under another digest",
      "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/web:1.2",
      `sha256:${"cd".repeat(32)}`,
      "policy_denied",
    ],
    [
      "a folder further down",
      "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/x/web",
      digest,
      "policy_denied",
    ],
    ["Docker Hub's", "team/web", digest, "policy_denied"],
  ])("images: %s", async (_, name, imageDigest, code) => {
    const [made] = image(name, imageDigest).containers ?? [];
    const task = await looseTask(stack, { family: "images" });
    const { taskArn, containerId } = task.notice;
    const bindings = [
      {
        bindIP: "0.0.0.0",
        containerPort: 9202,
        hostPort: task.port,
        protocol: "tcp",
      },
    ];
    stack.aws.updateTask(taskArn, {
      containers: [
        {
          name: "app",
          ...made,
          runtimeId: containerId,
          networkBindings: bindings,
        },
      ],
    });
    const entrypoint = task.start();
    expect((await notify(url, task.notice)).code).toBe(code);
    await entrypoint.stop();
  });
});

describe("opt-in", () => {
  const labels = (dockerLabels: Record<string, string>): LooseSpec => ({
    container: { dockerLabels },
  });

  test.each<[string, LooseSpec, string]>([
    ["by label", { family: "labelled-1" }, "delivered"],
    ["by no label", { family: "labelled-2", ...labels({}) }, "policy_denied"],
    [
      "by a label that says no",
      { family: "labelled-3", ...labels({ "vaultbuddy.enable": "false" }) },
      "policy_denied",
    ],
    [
      "by a rule for the container, without a label",
      { family: "byname", ...labels({}) },
      "delivered",
    ],
  ])("%s", async (_, spec, code) => {
    expect(await outcome(spec)).toBe(code);
  });

  test("by another label, which the operator chose", async () => {
    const { url: own } = await stack.startBroker([
      "--opt-in-label",
      "team.example/secrets=yes",
    ]);
    for (const [label, code] of [
      ["vaultbuddy.enable", "policy_denied"],
      ["team.example/secrets", "delivered"],
    ] as const) {
      const value = label === "vaultbuddy.enable" ? "true" : "yes";
      const task = await looseTask(stack, {
        family: "labelled-4",
        ...labels({ [label]: value }),
      });
      const entrypoint = task.start();
      expect((await notify(own, task.notice)).code).toBe(code);
      await entrypoint.stop();
    }
  });
});
