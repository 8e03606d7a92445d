// The table of actions: which bucket throttles each and who answers it.

import type { BucketName } from "./bucket.ts";
import { createCluster, describeClusters } from "./clusters.ts";
import type { DefinitionLimits } from "./definition-input.ts";
import {
  describeTaskDefinition,
  listTaskDefinitions,
  registerTaskDefinition,
} from "./definitions.ts";
import { describeTasks, listTasks } from "./describe-tasks.ts";
import type { Input } from "./input.ts";
import { describeContainerInstances, describeInstances } from "./instances.ts";
import { type RunContext, runTask } from "./run-task.ts";
import { stopTask } from "./stop-task.ts";
import type { Xml } from "./xml.ts";

export interface ActionContext extends RunContext {
  readonly limits: DefinitionLimits;
}

interface EcsAction {
  readonly bucket: BucketName;
  readonly answer: (context: ActionContext, input: Input) => unknown;
}

interface Ec2Action {
  readonly bucket: BucketName;
  readonly answer: (context: ActionContext, form: URLSearchParams) => Xml;
}

/** By the name behind `AmazonEC2ContainerServiceV20141113.` in X-Amz-Target. */
export const ecsActions: ReadonlyMap<string, EcsAction> = new Map<
  string,
  EcsAction
>([
  [
    "CreateCluster",
    {
      bucket: "modify",
      answer: ({ store }, input) => createCluster(store, input),
    },
  ],
  [
    "DescribeClusters",
    {
      bucket: "clusterRead",
      answer: ({ store }, input) => describeClusters(store, input),
    },
  ],
  [
    "RegisterTaskDefinition",
    {
      bucket: "modify",
      answer: ({ store, limits }, input) =>
        registerTaskDefinition(store, input, limits),
    },
  ],
  [
    "DescribeTaskDefinition",
    {
      bucket: "definitionRead",
      answer: ({ store }, input) => describeTaskDefinition(store, input),
    },
  ],
  [
    "ListTaskDefinitions",
    {
      bucket: "definitionRead",
      answer: ({ store }, input) => listTaskDefinitions(store, input),
    },
  ],
  [
    "RunTask",
    { bucket: "runTask", answer: (context, input) => runTask(context, input) },
  ],
  [
    "StopTask",
    { bucket: "modify", answer: (context, input) => stopTask(context, input) },
  ],
  [
    "DescribeTasks",
    {
      bucket: "resourceRead",
      answer: ({ store }, input) => describeTasks(store, input),
    },
  ],
  [
    "ListTasks",
    {
      bucket: "resourceRead",
      answer: ({ store }, input) => listTasks(store, input),
    },
  ],
  [
    "DescribeContainerInstances",
    {
      bucket: "resourceRead",
      answer: ({ store }, input) => describeContainerInstances(store, input),
    },
  ],
]);

/** By the form's `Action`. */
export const ec2Actions: ReadonlyMap<string, Ec2Action> = new Map<
  string,
  Ec2Action
>([
  [
    "DescribeInstances",
    {
      bucket: "ec2Describe",
      answer: ({ store }, form) => describeInstances(store, form),
    },
  ],
]);
