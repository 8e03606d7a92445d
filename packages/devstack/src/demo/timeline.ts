// One delivery as a person reads it: what happened when, in milliseconds since RunTask, and by whose account.

import type { Daemon, LogLine } from "../stack/daemon.ts";
import type { Stack } from "../stack/stack.ts";
import { appLine, describeTask } from "../stack/tasks.ts";
import type { StartedTask } from "../stack/tasks.ts";

interface Moment {
  readonly at: number;
  readonly what: string;
}

/** Variables every container has, which are no secrets. */
const ordinary = /^(PATH|HOME|HOSTNAME|PWD|AWS_.*|ECS_.*)$/;

/** Waits until the task's app runs and tells how it came to that. */
export async function timeline(
  stack: Stack,
  task: StartedTask,
  daemons: { readonly broker: Daemon; readonly agent: Daemon },
): Promise<string[]> {
  const app = await appLine(stack, task);
  const about = (line: LogLine): boolean =>
    line.fields["task"] === task.taskArn ||
    line.fields["taskArn"] === task.taskArn;
  const handoff = await daemons.broker.line(
    (line) => about(line) && line.fields["msg"] === "handoff",
  );
  const seen = await daemons.agent.line(
    (line) => about(line) && line.fields["msg"] === "a container has started",
  );
  const { startedAt = task.calledAt } = await stack.engine.inspect(
    stack.aws.containerId(task.taskArn, task.containerName) ?? "",
  );
  const moments: Moment[] = [
    { at: task.calledAt, what: "RunTask was called" },
    {
      at: startedAt,
      what: `${stack.runtime.kind === "docker" ? "Docker" : "the engine"} started the container`,
    },
    { at: timeOf(seen), what: "the agent saw it and told the broker" },
    ...steps(handoff),
    {
      at: app.at,
      what: `the app's first line, as process ${app.pid}, with ${secretNames(app.variables)}`,
    },
  ];
  const record = await describeTask(stack, task.taskArn);
  return [
    `task ${record.taskArn?.split("/").at(-1) ?? ""} (${record.attachments?.length === 1 ? "awsvpc" : "bridge"})`,
    ...moments
      .toSorted((a, b) => a.at - b.at)
      .map(
        ({ at, what }) =>
          `${String(Math.round(at - task.calledAt)).padStart(7)} ms  ${what}`,
      ),
  ];
}

/** The names of what the app received beside what every container has. */
function secretNames(variables: Readonly<Record<string, string>>): string {
  return Object.keys(variables)
    .filter((name) => !ordinary.test(name))
    .toSorted()
    .join(", ");
}

const said: Readonly<Record<string, string>> = {
  validate: "ECS confirmed it, and the policy gives it a token",
  claim: "claimed, once",
  connect: "the container proved that it holds the family's key",
  mint: "Vault made a wrapped token",
  deliver: "delivered; the container opened it and sent its receipt",
};

function steps(handoff: LogLine): Moment[] {
  const took = handoff.fields["steps"];
  const total = Number(handoff.fields["ms"]);
  let at = timeOf(handoff) - total;
  return Object.entries(
    typeof took === "object" && took !== null ? took : {},
  ).map(([step, ms]) => {
    at += Number(ms);
    return { at, what: `broker: ${said[step] ?? step} (${String(ms)} ms)` };
  });
}

function timeOf(line: LogLine): number {
  return Date.parse(String(line.fields["time"]));
}
