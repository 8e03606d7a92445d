// ARNs, both ways: how this account and region spell theirs, and what a caller may mean by an identifier. The sentences
// are those ECS was seen to answer with.

import { AwsError } from "../aws/error.ts";
import { clusterNotFound, invalidParameter } from "./aws-error.ts";

/** Whose resources these are. */
export interface Place {
  readonly partition: string;
  readonly account: string;
  readonly region: string;
}

const clusterName = /^[a-zA-Z0-9\-_]{1,255}$/;
const taskId = /^[a-zA-Z0-9-]+$/;

export function arn(place: Place, resource: string): string {
  return `arn:${place.partition}:ecs:${place.region}:${place.account}:${resource}`;
}

/** The name in a cluster's name or ARN; absent means `default`. Throws what ECS throws for anything else. */
export function clusterNameOf(
  place: Place,
  identifier: string | undefined,
): string {
  if (identifier === undefined || identifier === "") return "default";
  if (!identifier.startsWith("arn:")) return checkedCluster(identifier);
  const [kind, name, ...more] = resourceOf(
    place,
    identifier,
    clusterNotFound,
  ).split("/");
  if (kind !== "cluster")
    throw invalidParameter(`Unsupported resource type: ${kind}`);
  if (name === undefined || more.length > 0)
    throw invalidParameter(
      "Invalid identifier: Unexpected number of separators",
    );
  return checkedCluster(name);
}

/** A task's ARN for its id or its ARN in this cluster. Throws what ECS throws for a malformed or a foreign one. */
export function taskArnOf(
  place: Place,
  cluster: string,
  identifier: string,
): string {
  return arn(place, `task/${cluster}/${taskIdOf(place, cluster, identifier)}`);
}

/** The same for a container instance. */
export function instanceArnOf(
  place: Place,
  cluster: string,
  identifier: string,
): string {
  return arn(
    place,
    `container-instance/${cluster}/${idOf(place, cluster, identifier, "container-instance")}`,
  );
}

function taskIdOf(place: Place, cluster: string, identifier: string): string {
  const id = idOf(place, cluster, identifier, "task");
  if (id.length !== 32 && id.length !== 36) {
    throw invalidParameter("taskId length should be one of [32,36]");
  }
  return id;
}

function idOf(
  place: Place,
  cluster: string,
  identifier: string,
  expected: string,
): string {
  if (!identifier.startsWith("arn:")) return checkedId(identifier);
  const parts = resourceOf(place, identifier, foreign).split("/");
  const [kind, ...rest] = parts;
  if (kind !== expected)
    throw invalidParameter(
      `Invalid identifier: Unsupported resource type: ${kind}`,
    );
  // The old format has no cluster in it.
  if (rest.length === 1) return checkedId(rest[0] ?? "");
  if (rest.length !== 2)
    throw invalidParameter(
      "Invalid identifier: Unexpected number of separators",
    );
  const [named = "", id = ""] = rest;
  if (named !== cluster) {
    throw invalidParameter(
      `Invalid identifier: Identifier is for cluster ${named}. Your cluster is ${cluster}`,
    );
  }
  return checkedId(id);
}

function resourceOf(
  place: Place,
  identifier: string,
  elsewhere: () => AwsError,
): string {
  const [, partition, service, region, account, ...resource] =
    identifier.split(":");
  if (service === undefined || account === undefined || resource.length !== 1) {
    throw invalidParameter(
      "Invalid identifier: Unexpected number of separators",
    );
  }
  if (service !== "ecs" || partition !== place.partition)
    throw invalidParameter("Invalid identifier: not an ECS ARN");
  if (region !== place.region || account !== place.account) throw elsewhere();
  return resource[0] ?? "";
}

function foreign(): AwsError {
  return invalidParameter(
    "Invalid identifier: Identifier is for another account or region",
  );
}

function checkedId(id: string): string {
  if (!taskId.test(id))
    throw invalidParameter("Invalid identifier: Unexpected characters");
  return id;
}

function checkedCluster(name: string): string {
  if (!clusterName.test(name)) {
    throw invalidParameter(
      `Cluster must match ${clusterName.source}, but was ${name.slice(0, 255)}`,
    );
  }
  return name;
}
