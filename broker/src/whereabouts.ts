// What retiring asks of ECS, over the same coalesced lookups that notices use.

import { parseClusterArn, parseTaskArn } from "@vaultbuddy/common";
import type { EcsProvider } from "./ecs.ts";
import type { AskTasks, Whereabouts } from "./retire.ts";

/** How long one page of tasks may take, in milliseconds. */
const PAGE_MS = 20_000;
/** Nobody waits for these: they share whatever call goes out, in milliseconds. */
const PATIENCE = 1000;

/** Asks what became of tasks. One that could not be asked about is absent from the answer. */
export function whereabouts(ecs: Pick<EcsProvider, "task">): AskTasks {
  return async (clusterArn, taskArns) => {
    const cluster = parseClusterArn(clusterArn);
    const lookup = {
      source: "retirement",
      signal: AbortSignal.timeout(PAGE_MS),
      patience: PATIENCE,
      missing: true,
    };
    const answers = await Promise.allSettled(
      taskArns.map(async (arn): Promise<[string, Whereabouts]> => {
        const answer = await ecs.task(cluster, parseTaskArn(arn), lookup);
        if (answer.kind === "missing") {
          return [arn, "missing"];
        }
        return [
          arn,
          /^(STOPPED|DELETED)$/.test(answer.task.lastStatus)
            ? "stopped"
            : "running",
        ];
      }),
    );
    return new Map(
      answers.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])),
    );
  };
}
