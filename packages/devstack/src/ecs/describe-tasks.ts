// DescribeTasks and ListTasks: what the API shows of the tasks of one cluster, and MISSING for everything else.

import { instanceArnOf, taskArnOf } from "./arn.ts";
import { invalidParameter } from "./aws-error.ts";
import { clusterOf } from "./clusters.ts";
import type { Input } from "./input.ts";
import { page } from "./paging.ts";
import type { TaskRecord } from "./records.ts";
import type { Store } from "./store.ts";

const mostTasks = 100;

export interface Failure {
  readonly arn: string;
  readonly reason: string;
}

export function describeTasks(
  store: Store,
  input: Input,
): { tasks: TaskRecord[]; failures: Failure[] } {
  const cluster = clusterOf(store, input);
  const identifiers = input.strings("tasks");
  if (identifiers.length === 0)
    throw invalidParameter("Tasks cannot be empty.");
  if (identifiers.length > mostTasks)
    throw invalidParameter(`taskIds can have at most ${mostTasks} items.`);
  const withTags = input.strings("include").includes("TAGS");
  const arns = new Set(
    identifiers.map((one) => taskArnOf(store.place, cluster.name, one)),
  );
  const tasks: TaskRecord[] = [];
  const failures: Failure[] = [];
  for (const taskArn of arns) {
    const entry = store.visibleTask(taskArn);
    if (entry === undefined) failures.push({ arn: taskArn, reason: "MISSING" });
    else tasks.push(withTags ? entry.record : { ...entry.record, tags: [] });
  }
  return { tasks, failures };
}

export function listTasks(
  store: Store,
  input: Input,
): { taskArns: string[]; nextToken?: string } {
  const cluster = clusterOf(store, input);
  const wanted = input.string("desiredStatus") ?? "RUNNING";
  if (!["RUNNING", "PENDING", "STOPPED"].includes(wanted)) {
    throw invalidParameter(
      "desiredStatus must be one of RUNNING, PENDING, STOPPED.",
    );
  }
  const filters = filtersOf(store, cluster.name, input);
  const arns = store
    .visibleTasks(cluster.name)
    .map(({ record }) => record)
    .filter(
      (task) =>
        task.desiredStatus === wanted && filters.every((fits) => fits(task)),
    )
    .map(({ taskArn }) => taskArn);
  const { items, nextToken } = page(arns, input);
  return { taskArns: items, ...(nextToken !== undefined && { nextToken }) };
}

function filtersOf(
  store: Store,
  cluster: string,
  input: Input,
): ((task: TaskRecord) => boolean)[] {
  const family = input.string("family");
  const startedBy = input.string("startedBy");
  const serviceName = input.string("serviceName");
  const launchType = input.string("launchType");
  const instance = input.string("containerInstance");
  const instanceArn =
    instance === undefined
      ? undefined
      : instanceArnOf(store.place, cluster, instance);
  return [
    (task) => family === undefined || familyOf(task) === family,
    (task) => startedBy === undefined || task.startedBy === startedBy,
    (task) =>
      serviceName === undefined ||
      task.group === `service:${serviceName.split("/").at(-1)}`,
    (task) => launchType === undefined || task.launchType === launchType,
    (task) =>
      instanceArn === undefined || task.containerInstanceArn === instanceArn,
  ];
}

function familyOf({ taskDefinitionArn }: TaskRecord): string | undefined {
  return /task-definition\/([^:]+):/.exec(taskDefinitionArn)?.[1];
}
