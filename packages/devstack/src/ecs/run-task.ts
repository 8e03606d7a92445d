// RunTask: a request becomes task records, and each record a run.

import { AwsError } from "../aws/error.ts";
import { clientException, invalidParameter } from "./aws-error.ts";
import { clusterOf } from "./clusters.ts";
import type { Input, Json } from "./input.ts";
import { type Asked, newRecord } from "./new-record.ts";
import { readOverrides } from "./overrides.ts";
import type { TaskDefinition, TaskRecord } from "./records.ts";
import type { Runner } from "./runner.ts";
import type { Store } from "./store.ts";
import { TaskRun } from "./task-run.ts";

/** Requests already run, by cluster and clientToken: the same again is answered with the same tasks. */
type ClientTokens = Map<
  string,
  { readonly request: string; readonly taskArns: readonly string[] }
>;

const mostTokens = 1_000;

export interface RunContext {
  readonly store: Store;
  readonly runner: Runner;
  readonly tokens: ClientTokens;
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
  if (token !== undefined) {
    tokens.set(key, { request, taskArns: tasks.map(({ taskArn }) => taskArn) });
    // AWS remembers a token for a day; this many is a day here.
    if (tokens.size > mostTokens) tokens.delete([...tokens.keys()][0] ?? "");
  }
  return { tasks, failures: [] };
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
    group: readGroup(input) ?? `family:${definition.family}`,
    enableExecuteCommand: input.boolean("enableExecuteCommand") ?? false,
    tags: input.objects("tags").map((one) => ({
      key: one.string("key") ?? "",
      value: one.string("value") ?? "",
    })),
  };
}

/** `service:` is kept for what a service started: that is why a policy may go by it. */
function readGroup(input: Input): string | undefined {
  const group = input.string("group");
  if (group?.startsWith("service:") === true)
    throw invalidParameter("Invalid namespace for group.");
  return group;
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
