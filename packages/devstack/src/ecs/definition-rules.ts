// The rules of RegisterTaskDefinition that look at several containers at once: names, memory, volumes, dependencies.

import { clientException } from "./aws-error.ts";
import type { ContainerDefinition } from "./definition-input.ts";

/** Throws the ClientException ECS answers with when the containers don't fit together. */
export function checkContainers(
  containers: readonly ContainerDefinition[],
  task: {
    readonly memory: boolean;
    readonly volumes: readonly string[];
    readonly networkMode: string;
  },
): void {
  if (containers.length === 0)
    throw clientException("Container list cannot be empty.");
  if (containers.length > 10)
    throw clientException("A task definition can have at most 10 containers.");
  const names = containers.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw clientException(`Container name '${twice}' is not unique.`);
  if (!containers.some(({ essential }) => essential)) {
    throw clientException("At least one essential container is required.");
  }
  for (const container of containers) {
    checkMemory(container, task.memory);
    checkMounts(container, task.volumes);
    checkDependencies(container, containers);
    if (task.networkMode === "awsvpc" && container.hostname !== undefined) {
      throw clientException(
        "The 'hostname' parameter is not supported when networkMode=awsvpc.",
      );
    }
  }
  checkCycles(containers);
}

function checkMemory(
  { name, memory, memoryReservation }: ContainerDefinition,
  taskHasMemory: boolean,
): void {
  if (
    memory === undefined &&
    memoryReservation === undefined &&
    !taskHasMemory
  ) {
    throw clientException(
      `Invalid setting for container '${name}'. At least one of 'memory' or 'memoryReservation' must be specified.`,
    );
  }
  if (memory !== undefined && memory < 6) {
    throw clientException(
      `Invalid setting for container '${name}'. Memory must be at least 6 MiB.`,
    );
  }
  if (
    memory !== undefined &&
    memoryReservation !== undefined &&
    memoryReservation > memory
  ) {
    throw clientException(
      `Invalid setting for container '${name}'. 'memory' must be greater than 'memoryReservation'.`,
    );
  }
}

function checkMounts(
  { mountPoints }: ContainerDefinition,
  volumes: readonly string[],
): void {
  for (const { sourceVolume, containerPath } of mountPoints) {
    if (!volumes.includes(sourceVolume))
      throw clientException(`Unknown volume '${sourceVolume}'.`);
    if (!containerPath.startsWith("/"))
      throw clientException("A mount point's containerPath must be absolute.");
  }
}

function checkDependencies(
  container: ContainerDefinition,
  all: readonly ContainerDefinition[],
): void {
  for (const { containerName, condition } of container.dependsOn ?? []) {
    const other = all.find(({ name }) => name === containerName);
    if (other === undefined || other === container) {
      throw clientException(
        `Container '${container.name}' depends on '${containerName}', which is no other container.`,
      );
    }
    if (condition === "HEALTHY" && other.healthCheck === undefined) {
      throw clientException(
        `Container '${containerName}' must have a health check to be depended on as HEALTHY.`,
      );
    }
    if (
      (condition === "COMPLETE" || condition === "SUCCESS") &&
      other.essential
    ) {
      throw clientException(
        `A dependency with condition ${condition} can't be on the essential container '${containerName}'.`,
      );
    }
  }
}

function checkCycles(containers: readonly ContainerDefinition[]): void {
  const settled = new Set<string>();
  for (let before = -1; before !== settled.size;) {
    before = settled.size;
    for (const { name, dependsOn = [] } of containers) {
      if (dependsOn.every(({ containerName }) => settled.has(containerName)))
        settled.add(name);
    }
  }
  if (settled.size < containers.length)
    throw clientException("There is a cycle in the containers' dependencies.");
}
