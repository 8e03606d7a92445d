// One DescribeTasks call and what it says of each task asked for. Answers are put to questions by the task's id alone,
// because ECS may spell an ARN of the old format in the new one; whether the ARN is the one that was asked for is the
// judgement's to compare. A task that comes back malformed spoils nobody else's answer.

import { ShapeError } from "@vaultbuddy/common";
import type { TaskAnswer } from "../ecs.ts";
import type { AwsCalls } from "./aws.ts";
import { parseTask } from "./facts.ts";
import type { TaskFacts } from "./facts.ts";
import { AwsFault } from "./fault.ts";
import { openAnswer, optionalList } from "./read.ts";

/** Asks for the tasks of one cluster. A task that neither exists nor is MISSING is left out. Throws AwsFault. */
export async function taskAnswers(
  cluster: string,
  arns: readonly string[],
  calls: Pick<AwsCalls, "describeTasks">,
): Promise<Map<string, TaskAnswer>> {
  try {
    const { body, date } = await calls.describeTasks(cluster, arns);
    const answers = readAnswers(body, date);
    return new Map(
      arns.flatMap((arn) => {
        const answer = answers.get(idOf(arn));
        return answer === undefined ? [] : [[arn, answer]];
      }),
    );
  } catch (error) {
    if (error instanceof ShapeError) {
      throw new AwsFault("DescribeTasks", "malformed");
    }
    if (error instanceof AwsFault && error.kind === "no_cluster") {
      // A clear answer, in another form: a cluster that does not exist has no tasks.
      return new Map(arns.map((arn) => [arn, { kind: "missing" }]));
    }
    throw error;
  }
}

/** Answers by the task's id. */
function readAnswers(body: unknown, asOf: number): Map<string, TaskAnswer> {
  const fields = openAnswer(body, "");
  const answers = new Map<string, TaskAnswer>();
  for (const arn of optionalList(fields, "failures", 1000, readMissing)) {
    if (arn !== undefined) {
      answers.set(idOf(arn), { kind: "missing" });
    }
  }
  for (const task of optionalList(fields, "tasks", 1000, readTask)) {
    if (task !== undefined) {
      answers.set(idOf(task.taskArn), { kind: "found", task, asOf });
    }
  }
  return answers;
}

function idOf(arn: string): string {
  return arn.slice(arn.lastIndexOf("/") + 1);
}

/** The ARN of a failure that means "there is no such task", and of no other. */
function readMissing(value: unknown, at: string): string | undefined {
  const fields = openAnswer(value, at);
  const arn = fields.optionalText("arn", { max: 1024 });
  return fields.take("reason") === "MISSING" ? arn : undefined;
}

function readTask(value: unknown, at: string): TaskFacts | undefined {
  try {
    return parseTask(value, at);
  } catch (error) {
    if (error instanceof ShapeError) {
      return undefined;
    }
    throw error;
  }
}
