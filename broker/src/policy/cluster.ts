// Which clusters are meant: an ARN whose account and region are always spelled out, so that only the name can be a
// pattern. The broker's allow-list and a rule's `require.clusters` are both written this way.

import { parseClusterArn } from "@vaultbuddy/common";
import type { ClusterArn } from "@vaultbuddy/common";
import { matchesGlob } from "./glob.ts";

/** A cluster ARN in which `*` in the name stands for any characters. */
export interface ClusterPattern {
  readonly partition: string;
  readonly region: string;
  readonly account: string;
  /** The name, in which `*` may stand. */
  readonly name: string;
}

// `*` is no character of a cluster's name, so one that may be is put in its place while the ARN is taken apart.
const STAND_IN = "_";

/** Reads a cluster pattern. Throws an Error that says what it must be. */
export function parseClusterPattern(text: string): ClusterPattern {
  const slash = text.indexOf("/");
  const name = text.slice(slash + 1);
  if (slash < 0 || text.slice(0, slash).includes("*")) {
    throw malformed();
  }
  try {
    const { partition, region, account } = parseClusterArn(
      `${text.slice(0, slash)}/${name.replaceAll("*", STAND_IN)}`,
    );
    return { partition, region, account, name };
  } catch {
    throw malformed();
  }
}

function malformed(): Error {
  return new Error(
    "must be a cluster ARN such as arn:aws:ecs:eu-west-1:123456789012:cluster/web-*, with * in the name only",
  );
}

/** Whether a cluster is one of those meant. */
export function matchesCluster(
  pattern: ClusterPattern,
  cluster: ClusterArn,
): boolean {
  return (
    pattern.partition === cluster.partition &&
    pattern.region === cluster.region &&
    pattern.account === cluster.account &&
    matchesGlob(pattern.name, cluster.name)
  );
}
