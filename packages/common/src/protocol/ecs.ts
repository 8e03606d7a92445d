// The names ECS gives to tasks and clusters, parsed once and compared by value from then on.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html#ecs-resource-ids

import { ShapeError } from "../parse.ts";

/** An ECS task ARN, taken apart. */
export interface TaskArn {
  /** The ARN as it was written. */
  readonly arn: string;
  readonly partition: string;
  readonly region: string;
  /** Twelve digits. */
  readonly account: string;
  /** The cluster's name; absent in ARNs of the old format. */
  readonly cluster?: string;
  readonly id: string;
}

/** An ECS cluster ARN, taken apart. */
export interface ClusterArn {
  readonly arn: string;
  readonly partition: string;
  readonly region: string;
  readonly account: string;
  readonly name: string;
}

const PREFIX = "arn:(aws[a-z-]{0,20}):ecs:([a-z0-9-]{1,30}):([0-9]{12})";
const NAME = "[A-Za-z0-9_-]{1,255}";
const TASK = new RegExp(
  `^${PREFIX}:task/(?:(${NAME})/)?([0-9a-f]{32}|[0-9a-f-]{36})$`,
);
const CLUSTER = new RegExp(`^${PREFIX}:cluster/(${NAME})$`);

/** The form of names of containers, families and clusters. */
export const ecsName = {
  max: 255,
  pattern: new RegExp(`^${NAME}$`),
  form: "letters, digits, - and _",
};

/** Parses a task ARN in the long or the old format. Throws {@link ShapeError}. */
export function parseTaskArn(value: unknown, at = "taskArn"): TaskArn {
  const parts =
    typeof value === "string" && value.length <= 512 ? TASK.exec(value) : null;
  const [arn, partition, region, account, cluster, id] = parts ?? [];
  if (
    arn === undefined ||
    partition === undefined ||
    region === undefined ||
    account === undefined ||
    id === undefined
  ) {
    throw new ShapeError(at, "must be an ECS task ARN");
  }
  return {
    arn,
    partition,
    region,
    account,
    id,
    ...(cluster === undefined ? {} : { cluster }),
  };
}

/** Parses a cluster ARN. Throws {@link ShapeError}. */
export function parseClusterArn(value: unknown, at = "cluster"): ClusterArn {
  const parts =
    typeof value === "string" && value.length <= 512
      ? CLUSTER.exec(value)
      : null;
  const [arn, partition, region, account, name] = parts ?? [];
  if (
    arn === undefined ||
    partition === undefined ||
    region === undefined ||
    account === undefined ||
    name === undefined
  ) {
    throw new ShapeError(at, "must be an ECS cluster ARN");
  }
  return { arn, partition, region, account, name };
}
