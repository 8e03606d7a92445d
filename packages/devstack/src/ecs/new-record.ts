// A task's record at its birth: what RunTask answers before anything has happened.

import { arn } from "./arn.ts";
import { epochSeconds } from "./clock.ts";
import { uuid } from "./network-interface.ts";
import type {
  ContainerRecord,
  TaskDefinition,
  TaskOverride,
  TaskRecord,
} from "./records.ts";
import type { Cluster, Store } from "./store.ts";

/** A RunTask request that has been read and found good. */
export interface Asked {
  readonly cluster: Cluster;
  readonly definition: TaskDefinition;
  readonly overrides: TaskOverride;
  readonly launchType: string;
  readonly subnet: string | undefined;
  readonly group: string;
  readonly startedBy: string | undefined;
  readonly enableExecuteCommand: boolean;
  readonly tags: { key: string; value: string }[];
}

/** The record of one task; `provisioning` when it is to be seen in that state although it has no interface. */
export function newRecord(
  store: Store,
  asked: Asked,
  provisioning: boolean,
): TaskRecord {
  const { cluster, definition, launchType, subnet, startedBy } = asked;
  const { place, hex, clock } = store;
  const taskArn = arn(place, `task/${cluster.name}/${hex(32)}`);
  const fargate = launchType === "FARGATE";
  const instance = store.instancesOf(cluster.name)[0];
  const zone = `${place.region}a`;
  const now = epochSeconds(clock.now());
  return {
    taskArn,
    clusterArn: cluster.arn,
    taskDefinitionArn: definition.taskDefinitionArn,
    ...(!fargate && instance && { containerInstanceArn: instance.arn }),
    overrides: asked.overrides,
    lastStatus:
      provisioning || subnet !== undefined ? "PROVISIONING" : "PENDING",
    desiredStatus: "RUNNING",
    ...(definition.cpu !== undefined && { cpu: definition.cpu }),
    ...(definition.memory !== undefined && { memory: definition.memory }),
    containers: definition.containerDefinitions.map((one) =>
      newContainer(store, taskArn, one),
    ),
    ...(startedBy !== undefined && { startedBy }),
    version: 1,
    connectivity: "CONNECTED",
    connectivityAt: now,
    createdAt: now,
    group: asked.group,
    launchType,
    ...(fargate && { platformVersion: "1.4.0", platformFamily: "Linux" }),
    attachments: subnet === undefined ? [] : [newAttachment(store, subnet)],
    healthStatus: "UNKNOWN",
    tags: asked.tags,
    enableExecuteCommand: asked.enableExecuteCommand,
    availabilityZone: zone,
    attributes: [{ name: "ecs.cpu-architecture", value: "x86_64" }],
  };
}

function newAttachment(
  store: Store,
  subnet: string,
): TaskRecord["attachments"][number] {
  return {
    id: uuid(store.hex(32)),
    type: "ElasticNetworkInterface",
    status: "PRECREATED",
    details: [{ name: "subnetId", value: subnet }],
  };
}

function newContainer(
  store: Store,
  taskArn: string,
  definition: TaskDefinition["containerDefinitions"][number],
): ContainerRecord {
  const { cpu, memory, memoryReservation } = definition;
  const [, path = ""] = taskArn.split(":task/");
  return {
    containerArn: arn(store.place, `container/${path}/${uuid(store.hex(32))}`),
    taskArn,
    name: definition.name,
    image: definition.image,
    lastStatus: "PENDING",
    networkBindings: [],
    networkInterfaces: [],
    healthStatus: "UNKNOWN",
    cpu: String(cpu),
    ...(memory !== undefined && { memory: String(memory) }),
    ...(memoryReservation !== undefined && {
      memoryReservation: String(memoryReservation),
    }),
  };
}
