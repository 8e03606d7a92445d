// The notice: what an agent tells a broker. Nothing in it is believed; it only says where to look.

import { Fields, parseJson, ShapeError } from "../parse.ts";
import { ecsName, parseClusterArn, parseTaskArn } from "./ecs.ts";
import type { ClusterArn, TaskArn } from "./ecs.ts";

/** The largest notice a broker reads, in bytes. */
export const NOTICE_BYTES = 8 * 1024;

/** A parsed notice. `task` and `cluster` agree in partition, region, account and cluster name. */
export interface Notice {
  readonly task: TaskArn;
  readonly cluster: ClusterArn;
  readonly containerName: string;
  /** The container's id as its runtime has it: 64 hexadecimal digits from Docker. */
  readonly containerId: string;
}

/** A notice as it stands on the wire. `cluster` is a cluster's name or ARN. */
export interface NoticeBody {
  readonly taskArn: string;
  readonly cluster: string;
  readonly containerName: string;
  readonly containerId: string;
}

/** Parses a notice. Throws {@link ShapeError}; the broker answers it as `bad_request`. */
export function parseNotice(bytes: Uint8Array): Notice {
  const fields = new Fields(parseJson(bytes, NOTICE_BYTES));
  const task = parseTaskArn(fields.take("taskArn"));
  const cluster = clusterOf(fields.text("cluster", { max: 512 }), task);
  const containerName = fields.text("containerName", ecsName);
  const containerId = fields.text("containerId", {
    max: 128,
    pattern: /^[0-9a-zA-Z-]{12,128}$/,
    form: "a container id",
  });
  fields.done();
  return { task, cluster, containerName, containerId };
}

function clusterOf(written: string, task: TaskArn): ClusterArn {
  const arn = written.startsWith("arn:")
    ? written
    : `arn:${task.partition}:ecs:${task.region}:${task.account}:cluster/${written}`;
  const cluster = parseClusterArn(arn);
  const same =
    cluster.partition === task.partition &&
    cluster.region === task.region &&
    cluster.account === task.account &&
    (task.cluster === undefined || task.cluster === cluster.name);
  if (!same) {
    throw new ShapeError(
      "cluster",
      "must be the cluster that the task ARN names",
    );
  }
  return cluster;
}
