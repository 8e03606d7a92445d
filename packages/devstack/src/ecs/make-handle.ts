// The hands-on part of the stand-in: everything of handle.ts that needs no server.

import { Audit } from "./audit.ts";
import { AwsError } from "../aws/error.ts";
import type { DefinitionLimits } from "./definition-input.ts";
import { registerTaskDefinition } from "./definitions.ts";
import { FaultPlan } from "./fault-plan.ts";
import type { AwsHandle } from "./handle.ts";
import { Input } from "./input.ts";
import { madeUpContainer, putTask } from "./put-task.ts";
import type { TaskRecord } from "./records.ts";
import type { Runner } from "./runner.ts";
import type { Store } from "./store.ts";

export function makeHandle(
  store: Store,
  runner: Runner,
  {
    limits,
    buckets,
  }: {
    readonly limits: DefinitionLimits;
    readonly buckets: AwsHandle["buckets"];
  },
): AwsHandle {
  const recordOf = (taskArn: string): TaskRecord => {
    const record = store.task(taskArn)?.record;
    if (record === undefined)
      throw new AwsError("NotFound", "no such task", 404);
    return record;
  };
  return {
    audit: new Audit(),
    buckets,
    faults: new FaultPlan(),
    delays: runner.options.delays,
    secrets: runner.options.secrets,
    putDefinition: (definition) =>
      registerTaskDefinition(store, new Input(definition), limits)
        .taskDefinition,
    putInstance: (privateIpAddress) => {
      const [cluster = "default"] = store.clusters.keys();
      return store.addInstance(cluster, privateIpAddress).arn;
    },
    putTask: (task) => putTask(store, task),
    updateTask: (taskArn, change) => {
      const record = recordOf(taskArn);
      const members = Object.entries(change).filter(
        ([name]) => !["cluster", "family", "containers"].includes(name),
      );
      const containers = (change.containers ?? record.containers).map(
        (one) => ({
          ...madeUpContainer(store, taskArn, one),
          ...record.containers.find(({ name }) => name === one.name),
          ...one,
        }),
      );
      return Object.assign(record, {
        ...Object.fromEntries(members),
        containers,
        version: record.version + 1,
      });
    },
    removeTask: (taskArn) => store.removeTask(taskArn),
  };
}

/** What a container of a task has written; nothing before it is created. */
export async function logsOf(
  runner: Runner,
  taskArn: string,
  name: string,
): Promise<string> {
  const container = runner
    .run(taskArn)
    ?.containers.find((one) => one.name === name);
  if (container === undefined)
    throw new Error(`no task ${taskArn} with a container ${name}`);
  return container.id === undefined ? "" : runner.engine.logs(container.id);
}
