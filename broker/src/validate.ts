// Step 1 of the broker: is what the agent says so, and does the container deserve a token? Pure, but for the asking.

import type { SecretPlan } from "@vaultbuddy/common";
import type { Rule } from "./policy.ts";

declare const vouched: unique symbol;

/** A container for which every check has passed. Only this file makes one, and claiming takes nothing else. */
export interface Vouched {
  readonly [vouched]: true;
  /** As ECS spells it. */
  readonly taskArn: string;
  readonly clusterArn: string;
  /** Twelve digits. */
  readonly account: string;
  readonly family: string;
  readonly containerName: string;
  /** The runtimeId that ECS names. */
  readonly containerId: string;
  readonly rule: Rule;
  /** Where the container listens, from ECS and the task definition. */
  readonly dial: { readonly host: string; readonly port: number };
  /** Whether both the rule and the container's task definition allow plain HTTP. */
  readonly plain: boolean;
  /** The rule's paths and variables, and those of the dockerLabels in the task definition. */
  readonly secrets: SecretPlan;
}
