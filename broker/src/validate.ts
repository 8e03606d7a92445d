// Step 1 of the broker: is what the agent says so, and does the container deserve a token? The judgement is pure
// (validate/judge.ts), the asking polls (validate/inquiry.ts); here stand the order around them and the deadline.

import { Refusal } from "@vaultbuddy/common";
import type { Notice, SecretPlan } from "@vaultbuddy/common";
import type { Rule } from "./policy.ts";
import { Inquiry } from "./validate/inquiry.ts";
import type { Finding, InquiryDeps } from "./validate/inquiry.ts";
import { refuseForeignCluster } from "./validate/judge.ts";

export { parseClusterPattern } from "./policy/cluster.ts";
export { refuseForeignCluster } from "./validate/judge.ts";
export type { JudgeOptions } from "./validate/judge.ts";

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

/** What the ledger says of the container before ECS is asked. */
interface Standing {
  /** It has had a token: only a rule with `restart` gives another, and then its age is not asked. */
  readonly restartOf: boolean;
}

/** One notice's claim on our time. */
export interface VouchCall {
  /** The caller's address: sources take turns at ECS. */
  readonly source: string;
  /** When to give up, on the clock's monotonic time. */
  readonly deadline: number;
  /** Aborts when the broker stops; its reason is thrown. */
  readonly signal: AbortSignal;
  /** Looks the claim up. Called after the allow-list and before the first call to AWS; what it throws is thrown. */
  readonly standing: () => Promise<Standing>;
}

/** Asks and polls until the verdict is clear. Throws Refusal with the code of the first check that failed. */
export async function vouch(
  notice: Notice,
  deps: InquiryDeps,
  call: VouchCall,
): Promise<Vouched> {
  refuseForeignCluster(notice, deps.options);
  const { restartOf } = await call.standing();
  const { clock } = deps;
  const end = new AbortController();
  const late = new AbortController();
  const signal = AbortSignal.any([call.signal, late.signal]);
  const timer = clock
    .sleep(Math.max(0, call.deadline - clock.monotonic()), end.signal)
    .then(
      () => late.abort(),
      () => undefined,
    );
  const inquiry = new Inquiry(notice, deps, { source: call.source, signal });
  try {
    return toVouched(notice, await inquiry.run(restartOf));
  } catch (error) {
    const clear = error instanceof Refusal || call.signal.aborted;
    if (late.signal.aborted && !clear) {
      throw inquiry.timeIsUp(error);
    }
    throw error;
  } finally {
    end.abort();
    await timer;
  }
}

function toVouched(notice: Notice, { task, verdict }: Finding): Vouched {
  const facts: Omit<Vouched, typeof vouched> = {
    taskArn: task.taskArn,
    clusterArn: task.clusterArn,
    account: notice.task.account,
    family: task.definition.family,
    containerName: notice.containerName,
    containerId: verdict.containerId,
    rule: verdict.rule,
    dial: verdict.dial,
    plain: verdict.plain,
    secrets: verdict.secrets,
  };
  return facts as Vouched;
}
