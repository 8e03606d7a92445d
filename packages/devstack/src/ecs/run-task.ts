// RunTask and StopTask: a request becomes task records, and each record a run.

import { arn, taskArnOf } from "./arn.ts";
import { AwsError, clientException, invalidParameter } from "./aws-error.ts";
import { epochSeconds } from "./clock.ts";
import { clusterOf } from "./clusters.ts";
import type { Input, Json } from "./input.ts";
import { uuid } from "./network-interface.ts";
import { readOverrides } from "./overrides.ts";
import type {
  ContainerRecord,
  TaskDefinition,
  TaskOverride,
  TaskRecord,
} from "./records.ts";
import type { Runner } from "./runner.ts";
import type { Cluster, Store, TaskEntry } from "./store.ts";
import { TaskRun } from "./task-run.ts";

/** Requests already run, by cluster and clientToken: the same again is answered with the same tasks. */
type ClientTokens = Map<
  string,
  { readonly request: string; readonly taskArns: readonly string[] }
>;

export interface RunContext {
  readonly store: Store;
  readonly runner: Runner;
  readonly tokens: ClientTokens;
}

interface Asked {
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

export function runTask(
  context: RunContext,
  input: Input,
): { tasks: TaskRecord[]; failures: unknown[] } {
  const { store, runner, tokens } = context;
  const asked = read(store, input);
  const count = input.integer("count") ?? 1;
  if (count < 1 || count > 10)
    throw invalidParameter("count must be between 1 and 10.");
  const token = input.string("clientToken");
  const key = `${asked.cluster.name}/${token ?? ""}`;
  const request = JSON.stringify(input.raw satisfies Json);
  const before = token === undefined ? undefined : tokens.get(key);
  if (before !== undefined) {
    if (before.request !== request)
      throw new AwsError(
        "ConflictException",
        "The clientToken was used with other parameters.",
      );
    return {
      tasks: before.taskArns.flatMap((one) => store.task(one)?.record ?? []),
      failures: [],
    };
  }
  const tasks = Array.from({ length: count }, () =>
    launch(store, runner, asked),
  );
  if (token !== undefined)
    tokens.set(key, { request, taskArns: tasks.map(({ taskArn }) => taskArn) });
  return { tasks, failures: [] };
}

export function stopTask(
  { store, runner }: RunContext,
  input: Input,
): { task: TaskRecord } {
  const cluster = clusterOf(store, input);
  const identifier = input.requiredString("task", "Task cannot be empty.");
  const entry = store.visibleTask(
    taskArnOf(store.place, cluster.name, identifier),
  );
  if (entry === undefined)
    throw invalidParameter("The referenced task was not found.");
  const reason = input.string("reason") ?? "Task stopped by user";
  if (reason.length > 1024)
    throw invalidParameter("reason can have at most 1024 characters.");
  const run = runner.run(entry.record.taskArn);
  if (run === undefined)
    stopMadeUp(store, entry, reason, runner.options.delays.stoppedKeepMs);
  else run.stop("UserInitiated", reason);
  return { task: entry.record };
}

/** A made-up task has no containers to wait for. */
function stopMadeUp(
  store: Store,
  entry: TaskEntry,
  reason: string,
  keepMs: number,
): void {
  const { record } = entry;
  if (record.stoppedAt !== undefined) return;
  const now = epochSeconds(store.clock.now());
  const end = {
    desiredStatus: "STOPPED",
    lastStatus: "STOPPED",
    stopCode: "UserInitiated",
    stoppedReason: reason,
  };
  Object.assign(record, {
    ...end,
    stoppingAt: now,
    executionStoppedAt: now,
    stoppedAt: now,
    version: record.version + 1,
  });
  for (const container of record.containers) container.lastStatus = "STOPPED";
  entry.visibleUntil = store.clock.now() + keepMs;
}

function read(store: Store, input: Input): Asked {
  const cluster = clusterOf(store, input);
  const name = input.requiredString(
    "taskDefinition",
    "TaskDefinition can not be blank.",
  );
  const definition = store.definition(name);
  if (definition === undefined)
    throw clientException("TaskDefinition not found.");
  const launchType = input.string("launchType") ?? "EC2";
  if (!["EC2", "FARGATE", "EXTERNAL"].includes(launchType))
    throw invalidParameter("Unrecognized launch type.");
  if (launchType === "FARGATE" && definition.networkMode !== "awsvpc") {
    throw invalidParameter(
      "Task definition does not support launch_type FARGATE.",
    );
  }
  if (
    launchType !== "FARGATE" &&
    store.instancesOf(cluster.name).length === 0
  ) {
    throw invalidParameter(
      "No Container Instances were found in your cluster.",
    );
  }
  const startedBy = input.string("startedBy");
  if (startedBy !== undefined && !/^[a-zA-Z0-9_/-]{1,128}$/.test(startedBy)) {
    throw invalidParameter(
      "startedBy contains invalid characters or is too long.",
    );
  }
  return {
    cluster,
    definition,
    launchType,
    startedBy,
    subnet: readSubnet(input, definition),
    overrides: readOverrides(input.object("overrides"), definition),
    group: input.string("group") ?? `family:${definition.family}`,
    enableExecuteCommand: input.boolean("enableExecuteCommand") ?? false,
    tags: input.objects("tags").map((one) => ({
      key: one.string("key") ?? "",
      value: one.string("value") ?? "",
    })),
  };
}

function readSubnet(
  input: Input,
  definition: TaskDefinition,
): string | undefined {
  const config = input
    .object("networkConfiguration")
    ?.object("awsvpcConfiguration");
  if (definition.networkMode !== "awsvpc") {
    if (config === undefined) return undefined;
    throw invalidParameter(
      "Network Configuration is not valid for the given networkMode of this task definition.",
    );
  }
  if (config === undefined) {
    throw invalidParameter(
      "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
    );
  }
  const [subnet] = config.strings("subnets");
  if (subnet === undefined) throw invalidParameter("subnets can not be empty.");
  return subnet;
}

/** Makes the record and lets it live. What is returned is the record as RunTask answers it, before anything happened. */
function launch(store: Store, runner: Runner, asked: Asked): TaskRecord {
  const record = newRecord(
    store,
    asked,
    runner.options.delays.provisioningMs > 0,
  );
  const entry = {
    cluster: asked.cluster.name,
    record,
    visibleFrom: store.clock.now() + runner.options.delays.missingMs,
  };
  const run = new TaskRun(runner, store, entry, asked.definition);
  store.addTask(entry);
  const answer = structuredClone(record);
  runner.start(run);
  return answer;
}

function newRecord(
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
