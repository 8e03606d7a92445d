// RegisterTaskDefinition, DescribeTaskDefinition, ListTaskDefinitions: families of numbered, immutable revisions.

import { clientException, invalidParameter } from "./aws-error.ts";
import { arn } from "./arn.ts";
import { epochSeconds } from "./clock.ts";
import { type DefinitionLimits, readContainer } from "./definition-input.ts";
import { checkContainers } from "./definition-rules.ts";
import type { Input } from "./input.ts";
import { page } from "./paging.ts";
import type { TaskDefinition } from "./records.ts";
import type { Store } from "./store.ts";

const networkModes = ["bridge", "awsvpc", "host", "none"] as const;

/** Makes the next revision of the family. */
export function registerTaskDefinition(
  store: Store,
  input: Input,
  limits: DefinitionLimits,
): { taskDefinition: TaskDefinition } {
  const family = input.string("family") ?? "";
  if (!/^[a-zA-Z0-9_-]{1,255}$/.test(family))
    throw clientException("Family contains invalid characters.");
  const fargate = input.strings("requiresCompatibilities").includes("FARGATE");
  const networkMode = readNetworkMode(input.string("networkMode"), fargate);
  const volumes = input.objects("volumes").map(readVolume);
  const containers = input
    .objects("containerDefinitions")
    .map((one) => readContainer(one, networkMode, limits));
  const memory = input.string("memory");
  checkContainers(containers, {
    memory: memory !== undefined,
    volumes: volumes.map(({ name }) => name),
    networkMode,
  });
  const revision = store.revisionsOf(family).length + 1;
  const taskDefinition: TaskDefinition = {
    taskDefinitionArn: arn(
      store.place,
      `task-definition/${family}:${revision}`,
    ),
    family,
    revision,
    status: "ACTIVE",
    networkMode,
    containerDefinitions: containers,
    volumes,
    placementConstraints: [],
    requiresAttributes: [],
    compatibilities:
      networkMode === "awsvpc" ? ["EC2", "FARGATE"] : ["EXTERNAL", "EC2"],
    registeredAt: epochSeconds(store.clock.now()),
    registeredBy: `arn:${store.place.partition}:iam::${store.place.account}:root`,
    ...optional(input, [
      "cpu",
      "memory",
      "taskRoleArn",
      "executionRoleArn",
      "pidMode",
      "ipcMode",
    ]),
    ...(input.has("requiresCompatibilities") && {
      requiresCompatibilities: input.strings("requiresCompatibilities"),
    }),
  };
  store.addRevision(taskDefinition);
  return { taskDefinition };
}

/** By family (its newest active revision), `family:revision` or ARN. */
export function describeTaskDefinition(
  store: Store,
  input: Input,
): { taskDefinition: TaskDefinition; tags: unknown[] } {
  const name = input.requiredString(
    "taskDefinition",
    "Task definition cannot be empty.",
  );
  const taskDefinition = store.definition(name);
  if (taskDefinition === undefined)
    throw clientException("Unable to describe task definition.");
  return { taskDefinition, tags: [] };
}

/** ARNs of active revisions, oldest first, of one family when `familyPrefix` (an exact family, as in AWS) is given. */
export function listTaskDefinitions(
  store: Store,
  input: Input,
): { taskDefinitionArns: string[]; nextToken?: string } {
  const family = input.string("familyPrefix");
  const descending = input.string("sort") === "DESC";
  const arns = store
    .allDefinitions()
    .filter((one) => family === undefined || one.family === family)
    .map(({ taskDefinitionArn }) => taskDefinitionArn);
  const { items, nextToken } = page(
    descending ? arns.toReversed() : arns,
    input,
  );
  return {
    taskDefinitionArns: items,
    ...(nextToken !== undefined && { nextToken }),
  };
}

function readNetworkMode(
  mode: string | undefined,
  fargate: boolean,
): TaskDefinition["networkMode"] {
  if (fargate && mode !== "awsvpc") {
    throw clientException("Fargate only supports network mode ‘awsvpc’.");
  }
  const found = networkModes.find((one) => one === (mode ?? "bridge"));
  if (found === undefined) throw invalidParameter("Unrecognized networkMode.");
  return found;
}

function readVolume(input: Input): TaskDefinition["volumes"][number] {
  const name = input.string("name") ?? "";
  if (name === "") throw clientException("A volume needs a name.");
  const sourcePath = input.object("host")?.string("sourcePath");
  if (sourcePath !== undefined && !sourcePath.startsWith("/")) {
    throw clientException("A volume's host.sourcePath must be absolute.");
  }
  return {
    name,
    ...(input.has("host") && {
      host: sourcePath === undefined ? {} : { sourcePath },
    }),
  };
}

type OptionalMember =
  "cpu" | "memory" | "taskRoleArn" | "executionRoleArn" | "pidMode" | "ipcMode";

function optional(
  input: Input,
  names: readonly OptionalMember[],
): Partial<Record<OptionalMember, string>> {
  const found: Partial<Record<OptionalMember, string>> = {};
  for (const name of names) {
    const value = input.string(name);
    if (value !== undefined) found[name] = value;
  }
  return found;
}
