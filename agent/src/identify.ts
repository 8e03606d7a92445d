// Step 2: a started container → which container of which ECS task it is, from the labels that the ECS agent sets last and
// over whatever the task definition says. Nobody believes the answer: the broker asks ECS. It only has to be well formed,
// so that no request is spent on one that can't be.

import { ecsName, parseTaskArn, ShapeError, text } from "@vaultbuddy/common";
import type { Described } from "./docker-answers.ts";

/** A container of an ECS task that has opted in. */
export interface Member {
  readonly taskArn: string;
  /** As a label or the task's ARN names it; absent with ARNs of the old format and no label. */
  readonly cluster?: string;
  readonly containerName: string;
  readonly containerId: string;
}

/** Why a container is left alone. */
export type NotServed = "not_ecs" | "internal" | "not_opted_in" | "malformed";

/** A label that must be there, and with this value where one is given. */
export interface OptIn {
  readonly name: string;
  readonly value?: string;
}

const LABEL = "com.amazonaws.ecs.";
/** The label that says: a container of an ECS task. */
const TASK_LABEL = `${LABEL}task-arn`;

/** The ECS agent's own containers carry the labels of the task they serve. */
const INTERNAL = "~internal~ecs";

/** Finds out what a container is. */
export function identify(
  container: Described,
  optIn: OptIn,
): Member | NotServed {
  const { labels, name, id } = container;
  const arn = labels.get(TASK_LABEL);
  if (arn === undefined) {
    return "not_ecs";
  }
  const containerName = labels.get(`${LABEL}container-name`);
  // Docker's own name has it inside ("ecs-web-1-internalecspause-…"); the label has it whole.
  if (
    name.startsWith(INTERNAL) ||
    containerName?.startsWith(INTERNAL) === true
  ) {
    return "internal";
  }
  const opted = labels.get(optIn.name);
  if (
    opted === undefined ||
    (optIn.value !== undefined && opted !== optIn.value)
  ) {
    return "not_opted_in";
  }
  try {
    const task = parseTaskArn(arn);
    const labelled = labels.get(`${LABEL}cluster`);
    const cluster =
      labelled === undefined || labelled === "" ? task.cluster : labelled;
    return {
      taskArn: task.arn,
      containerName: text(containerName, "container-name", ecsName),
      containerId: id,
      ...(cluster === undefined
        ? {}
        : { cluster: text(cluster, "cluster", { max: 512 }) }),
    };
  } catch (error) {
    if (error instanceof ShapeError) {
      return "malformed";
    }
    throw error;
  }
}

/** What Docker is asked to filter by, so that nobody else's events cost anything here. */
export function labelFilter(optIn: OptIn): string[] {
  const { name, value } = optIn;
  return [TASK_LABEL, value === undefined ? name : `${name}=${value}`];
}
