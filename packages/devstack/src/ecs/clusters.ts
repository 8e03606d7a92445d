// CreateCluster and DescribeClusters, and the lookup of the cluster a request speaks of.

import { arn, clusterNameOf } from "./arn.ts";
import { clusterNotFound, invalidParameter } from "./aws-error.ts";
import type { Input } from "./input.ts";
import type { Cluster, Store } from "./store.ts";

/** The cluster named by the request's `cluster` member; `default` when it names none. */
export function clusterOf(store: Store, input: Input): Cluster {
  const cluster = store.clusters.get(
    clusterNameOf(store.place, input.string("cluster")),
  );
  if (cluster === undefined) throw clusterNotFound();
  return cluster;
}

/** Idempotent, as in ECS. */
export function createCluster(
  store: Store,
  input: Input,
): { cluster: unknown } {
  const name = clusterNameOf(store.place, input.string("clusterName"));
  return { cluster: describe(store, store.addCluster(name)) };
}

export function describeClusters(
  store: Store,
  input: Input,
): { clusters: unknown[]; failures: unknown[] } {
  const asked = input.strings("clusters");
  if (asked.length > 100)
    throw invalidParameter("Clusters can have at most 100 items.");
  const clusters: unknown[] = [];
  const failures: unknown[] = [];
  for (const identifier of asked.length === 0 ? [undefined] : asked) {
    const name = clusterNameOf(store.place, identifier);
    const cluster = store.clusters.get(name);
    if (cluster === undefined)
      failures.push({
        arn: arn(store.place, `cluster/${name}`),
        reason: "MISSING",
      });
    else clusters.push(describe(store, cluster));
  }
  return { clusters, failures };
}

function describe(store: Store, { name, arn: clusterArn }: Cluster): unknown {
  const states = store
    .visibleTasks(name)
    .map(({ record }) => record.lastStatus);
  return {
    clusterArn,
    clusterName: name,
    status: "ACTIVE",
    registeredContainerInstancesCount: store.instancesOf(name).length,
    runningTasksCount: states.filter((one) => one === "RUNNING").length,
    pendingTasksCount: states.filter(
      (one) => one === "PENDING" || one === "PROVISIONING",
    ).length,
    activeServicesCount: 0,
    statistics: [],
    tags: [],
    settings: [{ name: "containerInsights", value: "disabled" }],
    capacityProviders: [],
    defaultCapacityProviderStrategy: [],
  };
}
