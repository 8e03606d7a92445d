// Runs sample tasks as a user of ECS would, and reads what became of them.

import {
  DescribeTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  StopTaskCommand,
} from "@aws-sdk/client-ecs";
import type {
  ContainerDefinition,
  RunTaskCommandInput,
  Task,
} from "@aws-sdk/client-ecs";
import { sampleFamily } from "./sample.ts";
import type { Stack } from "./stack.ts";

export type NetworkMode = "awsvpc" | "bridge" | "host";

/** What a sample task is to be like. */
export interface SampleTask {
  readonly mode: NetworkMode;
  readonly family?: string;
  readonly containerName?: string;
  /** Where the entrypoint listens; its default unless given. In host mode each task needs its own. */
  readonly port?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** Changes the container's definition. */
  readonly container?: Partial<ContainerDefinition>;
  /** Other containers of the task. */
  readonly others?: readonly ContainerDefinition[];
  readonly run?: Partial<RunTaskCommandInput>;
}

/** A task that was started. */
export interface StartedTask {
  readonly taskArn: string;
  readonly containerName: string;
  /** When RunTask was called, in milliseconds since 1970. */
  readonly calledAt: number;
}

/** What the sample app printed when it began. */
export interface AppLine {
  readonly pid: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly argv: readonly string[];
  /** A hash of each variable's value. */
  readonly variables: Readonly<Record<string, string>>;
}

/** The definition of the sample's container. */
export function sampleContainer(
  stack: Stack,
  task: SampleTask,
): ContainerDefinition {
  const family = task.family ?? sampleFamily;
  const port = task.port ?? 9202;
  const environment = {
    VAULT_ADDR: stack.vault.addr,
    ...(task.port === undefined ? {} : { WIS_LISTEN: `0.0.0.0:${port}` }),
    ...task.environment,
  };
  // As a real task has it: the value is in Secrets Manager, the definition names it only.
  const valueFrom = `arn:aws:secretsmanager:${stack.aws.region}:${stack.aws.account}:secret:${family}-wis-key`;
  stack.aws.secrets.set(valueFrom, stack.familyKey(family));
  return {
    name: task.containerName ?? "app",
    image: stack.image,
    memory: 256,
    essential: true,
    dockerLabels: { "vaultbuddy.enable": "true" },
    environment: Object.entries(environment).map(([name, value]) => ({
      name,
      value,
    })),
    secrets: [{ name: "WIS_HMAC_KEY", valueFrom }],
    ...(task.mode === "host"
      ? {}
      : {
          portMappings: [
            {
              containerPort: port,
              hostPort: task.mode === "bridge" ? 0 : port,
            },
          ],
        }),
    ...task.container,
  };
}

/** Registers and runs a sample task. */
export async function runSample(
  stack: Stack,
  task: SampleTask,
): Promise<StartedTask> {
  const container = sampleContainer(stack, task);
  const { taskDefinition } = await stack.ecs.send(
    new RegisterTaskDefinitionCommand({
      family: task.family ?? sampleFamily,
      networkMode: task.mode,
      containerDefinitions: [container, ...(task.others ?? [])],
    }),
  );
  const calledAt = Date.now();
  const { tasks = [] } = await stack.ecs.send(
    new RunTaskCommand({
      cluster: stack.aws.cluster,
      taskDefinition: taskDefinition?.taskDefinitionArn,
      ...(task.mode === "awsvpc"
        ? {
            networkConfiguration: {
              awsvpcConfiguration: { subnets: ["subnet-0123456789abcdef0"] },
            },
          }
        : {}),
      ...task.run,
    }),
  );
  const taskArn = tasks[0]?.taskArn;
  if (taskArn === undefined) {
    throw new Error("RunTask started nothing");
  }
  return { taskArn, containerName: container.name ?? "app", calledAt };
}

/** The task as ECS shows it now. */
export async function describeTask(
  stack: Stack,
  taskArn: string,
): Promise<Task> {
  const { tasks = [] } = await stack.ecs.send(
    new DescribeTasksCommand({ cluster: stack.aws.cluster, tasks: [taskArn] }),
  );
  const [task] = tasks;
  if (task === undefined) {
    throw new Error(`ECS does not know ${taskArn}`);
  }
  return task;
}

/** Stops a task. */
export async function stopTask(stack: Stack, taskArn: string): Promise<void> {
  await stack.ecs.send(
    new StopTaskCommand({ cluster: stack.aws.cluster, task: taskArn }),
  );
}

/** Waits until `ready` gives something. Throws what `late` says after `ms`. */
export async function until<Value>(
  ready: () => Promise<Value | undefined>,
  late: () => Promise<string>,
  ms = 60_000,
): Promise<Value> {
  const end = performance.now() + ms;
  for (;;) {
    const value = await ready();
    if (value !== undefined) {
      return value;
    }
    if (performance.now() > end) {
      throw new Error(await late());
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The line the sample app prints when it begins; waits for it. */
export async function appLine(
  stack: Stack,
  task: StartedTask,
  ms?: number,
): Promise<AppLine> {
  return await until(
    async () =>
      readAppLine(await stack.aws.logs(task.taskArn, task.containerName)),
    async () =>
      `the app of ${task.taskArn} did not begin; it printed:\n${await stack.aws.logs(task.taskArn, task.containerName)}`,
    ms,
  );
}

/** The app's line in what a container printed; undefined when it has not begun. */
export function readAppLine(logs: string): AppLine | undefined {
  const line = logs.split("\n").find((one) => one.includes('"app":"started"'));
  return line === undefined ? undefined : (JSON.parse(line) as AppLine);
}

/** Waits until ECS says the task is STOPPED; answers the exit code of a container. */
export async function exitCode(
  stack: Stack,
  task: StartedTask,
  ms?: number,
): Promise<number | undefined> {
  const stopped = await until(
    async () => {
      const now = await describeTask(stack, task.taskArn);
      return now.lastStatus === "STOPPED" ? now : undefined;
    },
    async () =>
      `the task ${task.taskArn} did not stop; it printed:\n${await stack.aws.logs(task.taskArn, task.containerName)}`,
    ms,
  );
  return stopped.containers?.find((one) => one.name === task.containerName)
    ?.exitCode;
}
