// Made-up tasks: records placed in the store with no container behind them, for tests that need what ECS says and not
// what Docker does.

import { arn } from "./arn.ts";
import { epochSeconds } from "./clock.ts";
import { uuid } from "./network-interface.ts";
import type { ContainerRecord, TaskRecord } from "./records.ts";
import type { Store } from "./store.ts";

/** Members to set; whatever is absent becomes that of a task that runs since now. Timestamps are epoch seconds. */
export type MadeUpTask = Partial<Omit<TaskRecord, "containers">> & {
  /** The cluster's name, when `clusterArn` is absent; made if it isn't there. Default `default`. */
  readonly cluster?: string;
  /** The family when `taskDefinitionArn` is absent. Default `made-up`. */
  readonly family?: string;
  readonly containers?: readonly (Partial<ContainerRecord> & {
    readonly name: string;
  })[];
};

/** Puts the record there, replacing one of the same ARN, and answers it; changing what is returned changes the answers. */
export function putTask(
  store: Store,
  { cluster: named, family = "made-up", containers, ...given }: MadeUpTask,
): TaskRecord {
  const cluster = store.addCluster(
    named ?? given.clusterArn?.split("/").at(-1) ?? "default",
  );
  const now = epochSeconds(store.clock.now());
  const taskArn =
    given.taskArn ?? arn(store.place, `task/${cluster.name}/${store.hex(32)}`);
  const all = (containers ?? [{ name: "app" }]).map((one) =>
    madeUpContainer(store, taskArn, one),
  );
  const instance = store.instancesOf(cluster.name)[0];
  const record: TaskRecord = {
    clusterArn: cluster.arn,
    taskDefinitionArn: arn(store.place, `task-definition/${family}:1`),
    ...(instance && { containerInstanceArn: instance.arn }),
    overrides: {
      containerOverrides: all.map(({ name }) => ({ name })),
      inferenceAcceleratorOverrides: [],
    },
    lastStatus: "RUNNING",
    desiredStatus: "RUNNING",
    version: 1,
    connectivity: "CONNECTED",
    connectivityAt: now,
    createdAt: now,
    pullStartedAt: now,
    pullStoppedAt: now,
    startedAt: now,
    group: `family:${family}`,
    launchType: "EC2",
    attachments: [],
    healthStatus: "UNKNOWN",
    tags: [],
    enableExecuteCommand: false,
    availabilityZone: `${store.place.region}a`,
    attributes: [],
    ...given,
    taskArn,
    containers: all,
  };
  store.addTask({
    cluster: cluster.name,
    record,
    visibleFrom: store.clock.now(),
  });
  return record;
}

/** A container of such a task; what is absent becomes that of one that runs. */
export function madeUpContainer(
  store: Store,
  taskArn: string,
  given: Partial<ContainerRecord> & { readonly name: string },
): ContainerRecord {
  return {
    containerArn: arn(
      store.place,
      `container/${taskArn.split(":task/")[1]}/${uuid(store.hex(32))}`,
    ),
    taskArn,
    image: "made-up",
    imageDigest: `sha256:${store.hex(64)}`,
    runtimeId: store.hex(64),
    lastStatus: "RUNNING",
    networkBindings: [],
    networkInterfaces: [],
    healthStatus: "UNKNOWN",
    ...given,
  };
}
