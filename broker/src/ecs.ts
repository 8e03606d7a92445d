// adapter: ECS and EC2 as the broker sees them: a task, a task definition, the address of a host. Here the lookups are
// collected into calls (ecs/batcher.ts), paid from buckets like AWS's own, cached where AWS's answer cannot change, and
// parsed. A lookup that got no clear answer is `ecs_unavailable`, and never "no such task".

import type { ClusterArn, Clock, TaskArn } from "@vaultbuddy/common";
import { openAws } from "./ecs/aws.ts";
import type { AwsCalls } from "./ecs/aws.ts";
import type { DefinitionFacts } from "./ecs/definition.ts";
import type { TaskFacts } from "./ecs/facts.ts";
import { unavailable } from "./ecs/fault.ts";
import { Region } from "./ecs/region.ts";

/** What ECS said of one task; `asOf` is when, by ECS's own clock, in milliseconds since 1970. */
export type TaskAnswer =
  | { readonly kind: "found"; readonly task: TaskFacts; readonly asOf: number }
  | { readonly kind: "missing" };

/** On whose behalf a lookup is made and for how long it is wanted. */
export interface Lookup {
  /** The caller's address, or the name of a part of the broker: sources take turns. */
  readonly source: string;
  readonly signal: AbortSignal;
}

/** A lookup of a task that may be repeated until something has changed. */
export interface TaskLookup extends Lookup {
  /** How long it may wait for others to share its call, in milliseconds; 0 for the first one. */
  readonly patience: number;
  /** Whether the last answer was that there is no such task: such repetitions get a quarter of the calls. */
  readonly missing: boolean;
}

/** ECS, for the clusters of any region the allow-list names. Every method throws Refusal, or the signal's reason. */
export interface EcsProvider {
  task(
    cluster: ClusterArn,
    task: TaskArn,
    lookup: TaskLookup,
  ): Promise<TaskAnswer>;
  /** The task definition with exactly this ARN. */
  definition(
    cluster: ClusterArn,
    arn: string,
    lookup: Lookup,
  ): Promise<DefinitionFacts>;
  /** The private IPv4 address of a container instance; undefined when neither ECS nor EC2 names one. */
  instanceAddress(
    cluster: ClusterArn,
    instanceArn: string,
    lookup: Lookup,
  ): Promise<string | undefined>;
  /** Gives up everything under way. */
  close(): Promise<void>;
}

/** What opening needs. */
export interface EcsOptions {
  readonly clock: Clock;
  /** How long one call to AWS may take, in milliseconds; 5 s unless given. */
  readonly timeout?: number;
  /** The calls of one region; the AWS SDK unless given. */
  readonly calls?: (region: string) => AwsCalls;
}

/** Opens the provider. No call is made before the first lookup. */
export function openEcs(options: EcsOptions): EcsProvider {
  const { clock, timeout = 5000 } = options;
  const calls = options.calls ?? ((region) => openAws(region, timeout, clock));
  // One for each region of the allow-list, which was asked before: the map cannot be made to grow.
  const regions = new Map<string, Region>();
  const regionOf = (name: string): Region => {
    const known = regions.get(name) ?? new Region(calls(name), clock);
    regions.set(name, known);
    return known;
  };
  return {
    task: async (cluster, task, lookup) =>
      await refusing(
        lookup,
        regionOf(cluster.region).task(cluster, task, lookup),
      ),
    definition: async (cluster, arn, lookup) =>
      await refusing(lookup, regionOf(cluster.region).definition(arn, lookup)),
    instanceAddress: async (cluster, arn, lookup) =>
      await refusing(
        lookup,
        regionOf(cluster.region).instanceAddress(cluster, arn, lookup),
      ),
    close: async () => {
      await Promise.all([...regions.values()].map((one) => one.close()));
    },
  };
}

async function refusing<Value>(
  lookup: Lookup,
  work: Promise<Value>,
): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    throw unavailable(error, lookup.signal);
  }
}
