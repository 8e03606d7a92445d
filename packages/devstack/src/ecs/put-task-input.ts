// A made-up task as JSON, for the control port: the members a test sets, checked for their types only.

import type { Input } from "./input.ts";
import type { MadeUpTask } from "./put-task.ts";
import type { ContainerRecord, TaskRecord } from "./records.ts";

const texts = [
  "taskArn",
  "clusterArn",
  "taskDefinitionArn",
  "containerInstanceArn",
  "lastStatus",
  "desiredStatus",
  "startedBy",
  "stoppedReason",
  "stopCode",
  "group",
  "launchType",
  "healthStatus",
] as const satisfies readonly (keyof TaskRecord)[];

const times = [
  "createdAt",
  "pullStartedAt",
  "pullStoppedAt",
  "startedAt",
  "stoppingAt",
  "stoppedAt",
] as const satisfies readonly (keyof TaskRecord)[];

const containerTexts = [
  "image",
  "imageDigest",
  "runtimeId",
  "lastStatus",
  "healthStatus",
  "reason",
] as const satisfies readonly (keyof ContainerRecord)[];

export function readMadeUpTask(input: Input): MadeUpTask {
  const cluster = input.string("cluster");
  const family = input.string("family");
  const exec = input.boolean("enableExecuteCommand");
  const overrides = input.object("overrides");
  return {
    ...Object.fromEntries(
      texts
        .filter((name) => input.has(name))
        .map((name) => [name, input.string(name)]),
    ),
    ...Object.fromEntries(
      times
        .filter((name) => input.has(name))
        .map((name) => [name, input.number(name)]),
    ),
    ...(cluster !== undefined && { cluster }),
    ...(family !== undefined && { family }),
    ...(exec !== undefined && { enableExecuteCommand: exec }),
    ...(overrides && {
      overrides: {
        ...overrides.raw,
        containerOverrides: readOverrides(overrides),
      },
    }),
    ...(input.has("attachments") && {
      attachments: input.objects("attachments").map(readAttachment),
    }),
    ...(input.has("containers") && {
      containers: input.objects("containers").map(readContainer),
    }),
  };
}

function readOverrides(
  overrides: Input,
): TaskRecord["overrides"]["containerOverrides"] {
  return overrides
    .objects("containerOverrides")
    .map((one) => ({ ...one.raw, name: one.string("name") ?? "" }));
}

function readAttachment(input: Input): TaskRecord["attachments"][number] {
  return {
    id: input.string("id") ?? "",
    type: input.string("type") ?? "ElasticNetworkInterface",
    status: input.string("status") ?? "ATTACHED",
    details: input.pairs("details"),
  };
}

function readContainer(
  input: Input,
): Partial<ContainerRecord> & { name: string } {
  const exitCode = input.integer("exitCode");
  return {
    name: input.string("name") ?? "app",
    ...Object.fromEntries(
      containerTexts
        .filter((name) => input.has(name))
        .map((name) => [name, input.string(name)]),
    ),
    ...(exitCode !== undefined && { exitCode }),
    ...(input.has("networkBindings") && {
      networkBindings: input.objects("networkBindings").map((one) => ({
        bindIP: one.string("bindIP") ?? "0.0.0.0",
        containerPort: one.integer("containerPort") ?? 0,
        hostPort: one.integer("hostPort") ?? 0,
        protocol: one.string("protocol") ?? "tcp",
      })),
    }),
    ...(input.has("networkInterfaces") && {
      networkInterfaces: input.objects("networkInterfaces").map((one) => ({
        attachmentId: one.string("attachmentId") ?? "",
        privateIpv4Address: one.string("privateIpv4Address") ?? "",
      })),
    }),
  };
}
