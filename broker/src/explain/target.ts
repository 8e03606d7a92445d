// What `policy explain` is asked about: a family, one of its containers, or a task that ECS may know.

import { ecsName, parseTaskArn } from "@vaultbuddy/common";
import type { TaskArn } from "@vaultbuddy/common";

export type Target =
  | {
      readonly kind: "family";
      readonly family: string;
      readonly container: string | undefined;
    }
  | { readonly kind: "task"; readonly task: TaskArn };

/** Reads a target. Throws an Error that says what it may be. */
export function readTarget(text: string): Target {
  if (text.startsWith("arn:")) {
    try {
      return { kind: "task", task: parseTaskArn(text) };
    } catch {
      throw new Error(
        "the task ARN is not one: it looks like arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/ID",
      );
    }
  }
  const [family = "", container, ...more] = text.split("/");
  const named = (name: string): boolean => ecsName.pattern.test(name);
  if (
    more.length > 0 ||
    !named(family) ||
    (container !== undefined && !named(container))
  ) {
    throw new Error("must be FAMILY, FAMILY/CONTAINER or a task ARN");
  }
  return { kind: "family", family, container };
}
