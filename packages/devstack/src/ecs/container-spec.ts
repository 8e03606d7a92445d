// From a container definition and the task's overrides to what the engine is asked for: labels and environment as the
// ECS agent sets them.

import type {
  ContainerNetwork,
  ContainerSpec,
  Mount,
} from "../engine/engine.ts";
import type {
  ContainerDefinition,
  HealthCheckDefinition,
} from "./definition-input.ts";
import type {
  ContainerOverride,
  TaskDefinition,
  TaskRecord,
} from "./records.ts";
import type { Runner } from "./runner.ts";

const mebibyte = 1_048_576;

/** Which task a container is made for. */
export interface SpecContext {
  readonly runner: Runner;
  readonly task: TaskRecord;
  readonly cluster: string;
  readonly definition: TaskDefinition;
}

export const pauseName = "~internal~ecs~pause";

/** The labels by which an ECS container is known, set last so that a definition's own can't replace them. */
export function ecsLabels(
  { runner, task, cluster, definition }: SpecContext,
  containerName: string,
): Record<string, string> {
  return {
    ...runner.labels,
    "com.amazonaws.ecs.cluster":
      runner.options.clusterLabel === "arn" ? task.clusterArn : cluster,
    "com.amazonaws.ecs.container-name": containerName,
    "com.amazonaws.ecs.task-arn": task.taskArn,
    "com.amazonaws.ecs.task-definition-family": definition.family,
    "com.amazonaws.ecs.task-definition-version": String(definition.revision),
  };
}

/** A name in the agent's manner, unique on the engine. */
export function dockerName(
  { runner, definition }: SpecContext,
  containerName: string,
): string {
  const plain = containerName.replaceAll(/[^a-zA-Z0-9-]/g, "");
  return `vaultbuddy-${runner.stackId}-ecs-${definition.family}-${definition.revision}-${plain}-${runner.options.hex(20)}`;
}

/** What the engine is to create for this container. `secrets` are the resolved values of its `secrets`, by name. */
export function containerSpec(
  context: SpecContext,
  container: ContainerDefinition,
  more: {
    readonly endpointId: string;
    readonly network: ContainerNetwork;
    readonly secrets: Readonly<Record<string, string>>;
  },
): ContainerSpec {
  const override = context.task.overrides.containerOverrides.find(
    ({ name }) => name === container.name,
  );
  const command = override?.command ?? container.command;
  return {
    name: dockerName(context, container.name),
    image: container.image,
    labels: {
      ...container.dockerLabels,
      ...ecsLabels(context, container.name),
    },
    env: environment(context, container, override, more),
    network: more.network,
    mounts: mounts(context, container),
    ...(command !== undefined && { command }),
    ...(container.entryPoint !== undefined && {
      entryPoint: container.entryPoint,
    }),
    ...(container.user !== undefined && { user: container.user }),
    ...(container.workingDirectory !== undefined && {
      workingDirectory: container.workingDirectory,
    }),
    ...(container.hostname !== undefined && { hostname: container.hostname }),
    ...(container.readonlyRootFilesystem !== undefined && {
      readonlyRootFilesystem: container.readonlyRootFilesystem,
    }),
    ...(container.privileged !== undefined && {
      privileged: container.privileged,
    }),
    ...(container.linuxParameters?.initProcessEnabled === true && {
      init: true,
    }),
    ...resources(container, override),
    ...(container.ulimits && {
      ulimits: container.ulimits.map(({ name, softLimit, hardLimit }) => ({
        name,
        soft: softLimit,
        hard: hardLimit,
      })),
    }),
    ...(more.network.kind === "bridge" && { ports: container.portMappings }),
    ...(container.healthCheck && {
      healthCheck: healthCheck(container.healthCheck),
    }),
  };
}

function healthCheck(
  check: HealthCheckDefinition,
): NonNullable<ContainerSpec["healthCheck"]> {
  return {
    command: check.command,
    intervalMs: check.interval * 1000,
    timeoutMs: check.timeout * 1000,
    startPeriodMs: (check.startPeriod ?? 0) * 1000,
    retries: check.retries,
  };
}

function environment(
  { runner, task, definition }: SpecContext,
  container: ContainerDefinition,
  override: ContainerOverride | undefined,
  {
    endpointId,
    secrets,
  }: {
    readonly endpointId: string;
    readonly secrets: Readonly<Record<string, string>>;
  },
): Record<string, string> {
  const pairs = [
    ...container.environment,
    ...(override?.environment ?? []),
  ].map(({ name, value }) => [name, value]);
  const own: Record<string, string> = {
    ECS_CONTAINER_METADATA_URI_V4: `${runner.metadataUrl}/v4/${endpointId}`,
    AWS_EXECUTION_ENV:
      task.launchType === "FARGATE" ? "AWS_ECS_FARGATE" : "AWS_ECS_EC2",
  };
  if (definition.networkMode === "awsvpc" || task.launchType === "FARGATE")
    own["AWS_DEFAULT_REGION"] = runner.options.region;
  return { ...Object.fromEntries(pairs), ...secrets, ...own };
}

function resources(
  container: ContainerDefinition,
  override: ContainerOverride | undefined,
): Pick<ContainerSpec, "memoryBytes" | "memoryReservationBytes" | "cpuShares"> {
  const memory = numberOf(override?.["memory"]) ?? container.memory;
  const reservation =
    numberOf(override?.["memoryReservation"]) ?? container.memoryReservation;
  const cpu = numberOf(override?.["cpu"]) ?? container.cpu;
  return {
    ...(memory !== undefined && { memoryBytes: memory * mebibyte }),
    ...(reservation !== undefined && {
      memoryReservationBytes: reservation * mebibyte,
    }),
    // Below 2 the kernel takes no shares; the agent asks for 2 then.
    ...(cpu > 0 && { cpuShares: Math.max(2, cpu) }),
  };
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/** The engine's name for a volume that lives as long as its task. */
export function volumeName(
  { runner, task }: SpecContext,
  volume: string,
): string {
  return `vaultbuddy-${runner.stackId}-${task.taskArn.split("/").at(-1)}-${volume.replaceAll(/[^a-zA-Z0-9_.-]/g, "")}`;
}

function mounts(context: SpecContext, container: ContainerDefinition): Mount[] {
  return container.mountPoints.map(
    ({ sourceVolume, containerPath, readOnly }) => {
      const volume = context.definition.volumes.find(
        ({ name }) => name === sourceVolume,
      );
      return {
        source: volume?.host?.sourcePath ?? volumeName(context, sourceVolume),
        target: containerPath,
        readOnly,
      };
    },
  );
}
