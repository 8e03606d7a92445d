// Registers a task definition, runs it once and waits until it is well: what `aws ecs register-task-definition` and
// `aws ecs run-task` do by hand. Works against any ECS that the AWS SDK's own settings name.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
  DescribeTasksCommand,
  ECSClient,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
} from "@aws-sdk/client-ecs";
import type {
  RegisterTaskDefinitionCommandInput,
  Task,
} from "@aws-sdk/client-ecs";
import type { Job } from "./job.ts";

const WAIT_MS = 120_000;

/** `run-task [--cluster NAME] FILE`: `${NAME}` in the file is replaced by that variable's value. */
export const runTask: Job = async (args, { env, print }) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { cluster: { type: "string", default: "default" } },
  });
  const [file] = positionals;
  if (file === undefined) {
    throw new Error("usage: run-task [--cluster NAME] FILE");
  }
  const { cluster } = values;
  const definition = JSON.parse(
    filledIn(readFileSync(file, "utf8"), env),
  ) as RegisterTaskDefinitionCommandInput;
  const ecs = new ECSClient({});
  try {
    const { taskDefinition } = await ecs.send(
      new RegisterTaskDefinitionCommand(definition),
    );
    const { tasks = [], failures = [] } = await ecs.send(
      new RunTaskCommand({
        cluster,
        taskDefinition: taskDefinition?.taskDefinitionArn,
      }),
    );
    const taskArn = tasks[0]?.taskArn;
    if (taskArn === undefined) {
      throw new Error(`RunTask started nothing: ${JSON.stringify(failures)}`);
    }
    print(`${taskArn} was started`);
    await untilWell(ecs, cluster, taskArn);
    print(`${taskArn} is HEALTHY: its app runs with its secrets`);
  } finally {
    ecs.destroy();
  }
};

/** The text with each `${NAME}` replaced. Throws for a variable that is not set. */
export function filledIn(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): string {
  return text.replaceAll(/\$\{([A-Z_]+)\}/g, (_all, name: string) => {
    const value = env[name];
    if (value === undefined) {
      throw new Error(`the variable ${name} is not set`);
    }
    // Inside a JSON string, where all of these files have it.
    return JSON.stringify(value).slice(1, -1);
  });
}

async function untilWell(
  ecs: ECSClient,
  cluster: string,
  taskArn: string,
): Promise<void> {
  const deadline = AbortSignal.timeout(WAIT_MS);
  for (;;) {
    const { tasks = [] } = await ecs.send(
      new DescribeTasksCommand({ cluster, tasks: [taskArn] }),
      { abortSignal: deadline },
    );
    const [task] = tasks;
    if (task?.healthStatus === "HEALTHY") return;
    if (task?.lastStatus === "STOPPED") {
      throw new Error(`${taskArn} has stopped: ${reasonsOf(task)}`);
    }
    if (deadline.aborted) {
      throw new Error(`${taskArn} is not well after ${WAIT_MS / 1000} s`);
    }
    await sleep(1000);
  }
}

function reasonsOf(task: Task): string {
  const containers = (task.containers ?? []).map(
    ({ name, exitCode, reason }) =>
      `${name} ended with ${exitCode ?? "no exit code"}${reason === undefined ? "" : ` (${reason})`}`,
  );
  return [task.stoppedReason, ...containers].join("; ");
}
