// The judgement: pure and synchronous, from what an agent said and what ECS says to a verdict, in a fixed order in which
// the first thing that fails decides. It is asked again with every new fact, and it asks for the facts it still needs.

import { Refusal } from "@vaultbuddy/common";
import type { Notice, SecretPlan } from "@vaultbuddy/common";
import type {
  ContainerDefinition,
  DefinitionFacts,
} from "../ecs/definition.ts";
import type { ContainerFacts, TaskFacts } from "../ecs/facts.ts";
import type { Policy, PolicyRule } from "../policy.ts";
import { matchesCluster } from "../policy/cluster.ts";
import type { ClusterPattern } from "../policy/cluster.ts";
import { placeOf } from "./address.ts";
import {
  denied,
  isPlain,
  refuseOpenKey,
  refuseUnfit,
  refuseUnproven,
  refuseUninvited,
  secretsOf,
} from "./consent.ts";

/** What the operator has set. Times in milliseconds. */
export interface JudgeOptions {
  /** The clusters this broker serves. */
  readonly clusters: readonly ClusterPattern[];
  /** The most time since ECS called the task started. */
  readonly taskLife: number;
  /** The most time since the task was created or its images were pulled, while it is not called started. */
  readonly pendingLife: number;
  /** What must be RUNNING. */
  readonly requireState: "container" | "task";
  readonly optInLabel: { readonly name: string; readonly value: string };
  readonly entrypointPort: number;
}

/** What is known so far. */
export interface Evidence {
  readonly task: TaskFacts;
  /** ECS's own clock when it said so, in milliseconds since 1970. */
  readonly now: number;
  /** The task's own definition, once it was asked for. */
  readonly definition?: DefinitionFacts;
  /** The private address of the task's host, once it was asked for; false when nobody names one. */
  readonly instance?: string | false;
  /** Whether this container has had a token and asks for the one of its next generation. */
  readonly restartOf: boolean;
}

/** A verdict that is no refusal; those are thrown. */
export type Verdict =
  | {
      readonly kind: "vouched";
      readonly rule: PolicyRule;
      readonly containerId: string;
      readonly dial: { readonly host: string; readonly port: number };
      readonly plain: boolean;
      readonly secrets: SecretPlan;
    }
  /** One more fact is needed. */
  | { readonly kind: "needs_definition"; readonly arn: string }
  | { readonly kind: "needs_instance"; readonly arn: string }
  /** It may come right by itself; `otherwise` is the refusal if it does not in time. */
  | NotYet;

/** A verdict for now. */
export interface NotYet {
  readonly kind: "not_yet";
  readonly why: string;
  readonly otherwise: "task_not_running" | "address_unknown";
}

/** How far a start may lie in the future: ECS's Date has whole seconds only. */
const SKEW = 5000;

/** The states of a task or container that will not run (again). Any other that is not RUNNING may yet come right. */
const FALLING = /^(?:DEACTIVATING|STOPPING|DEPROVISIONING|STOPPED|DELETED)$/;

/** Refuses a cluster that is not on the list. Needs nothing from AWS and is asked before it. */
export function refuseForeignCluster(
  notice: Notice,
  options: Pick<JudgeOptions, "clusters">,
): void {
  if (!options.clusters.some((one) => matchesCluster(one, notice.cluster))) {
    throw new Refusal(
      "cluster_not_allowed",
      "the task's cluster, account or region is not on this broker's list (--clusters)",
    );
  }
}

/** Judges a notice. Throws Refusal with the code of the first check that fails for good. */
export function judge(
  notice: Notice,
  evidence: Evidence,
  policy: Pick<Policy, "match">,
  options: JudgeOptions,
): Verdict {
  refuseForeignCluster(notice, options);
  const { task } = evidence;
  refuseOtherTask(notice, task);
  const container = task.containers.find(
    ({ name }) => name === notice.containerName,
  );
  const waiting = stateOf(task, container, options);
  if (waiting !== undefined) {
    return waiting;
  }
  const rule = policy.match(task.definition.family, notice.containerName);
  refuseOld(evidence, rule, options);
  const found = identify(notice, container);
  if (!("runtimeId" in found)) {
    return found;
  }
  if (rule === undefined) {
    throw denied(
      `no policy rule matches ${task.definition.family}/${notice.containerName}: add one`,
    );
  }
  return weigh(notice, evidence, rule, found, options);
}

/** Refuses an answer that is not about the task that was asked for. */
export function refuseOtherTask(notice: Notice, task: TaskFacts): void {
  if (task.taskArn !== notice.task.arn) {
    throw new Refusal("task_not_found", "ECS answered for another task");
  }
  if (task.clusterArn !== notice.cluster.arn) {
    throw new Refusal(
      "task_not_found",
      "ECS has the task in another cluster than the notice says",
    );
  }
}

/** `desiredStatus` and state. Undefined when both are as they must be. */
export function stateOf(
  task: TaskFacts,
  container: ContainerFacts | undefined,
  options: JudgeOptions,
): NotYet | undefined {
  if (task.desiredStatus !== "RUNNING") {
    throw notRunning("ECS is stopping the task or has stopped it");
  }
  if (FALLING.test(task.lastStatus)) {
    throw notRunning("the task is stopping or has stopped");
  }
  const enough =
    options.requireState === "task"
      ? ["RUNNING"]
      : ["PENDING", "ACTIVATING", "RUNNING"];
  if (!enough.includes(task.lastStatus)) {
    return notYet("the task is not RUNNING yet");
  }
  if (container === undefined || container.lastStatus === "RUNNING") {
    return undefined;
  }
  if (FALLING.test(container.lastStatus)) {
    throw notRunning("the container has stopped");
  }
  return options.requireState === "task"
    ? undefined
    : notYet("the container is not RUNNING yet");
}

/** Once a container has had its token, its age says nothing any more: ECS restarts it in place and keeps `startedAt`. */
export function refuseOld(
  evidence: Evidence,
  rule: PolicyRule | undefined,
  options: JudgeOptions,
): void {
  const { task, now, restartOf } = evidence;
  if (restartOf) {
    if (rule?.restart === undefined) {
      throw new Refusal(
        "already_delivered",
        "this container has had its token, and its rule gives none after a restart",
      );
    }
    return;
  }
  const { startedAt, createdAt, pullStoppedAt } = task;
  const [since, life] =
    startedAt === undefined
      ? [Math.max(createdAt ?? 0, pullStoppedAt ?? 0), options.pendingLife]
      : [startedAt, options.taskLife];
  const age = now - since;
  // A time ECS did not give is never young, and neither is one that lies ahead.
  if (since === 0 || age > life || age < -SKEW) {
    throw new Refusal(
      "task_too_old",
      startedAt === undefined
        ? "the task has been pending for longer than --pending-life, or ECS does not say since when"
        : "the task was started longer ago than --task-life",
    );
  }
}

/** The container with the runtimeId that ECS names for it, which must be the notice's. */
export function identify(
  notice: Notice,
  container: ContainerFacts | undefined,
): (ContainerFacts & { runtimeId: string }) | NotYet {
  if (container === undefined) {
    throw new Refusal(
      "container_not_found",
      `the task has no container called ${notice.containerName}`,
    );
  }
  const { runtimeId } = container;
  if (runtimeId === undefined) {
    return notYet("ECS does not name the container's runtime id yet");
  }
  if (runtimeId !== notice.containerId) {
    throw new Refusal(
      "container_not_found",
      `ECS names another runtime id for the container ${notice.containerName}`,
    );
  }
  return { ...container, runtimeId };
}

/** Opt-in, the rule and its demands, and the address. */
function weigh(
  notice: Notice,
  evidence: Evidence,
  rule: PolicyRule,
  container: ContainerFacts & { runtimeId: string },
  options: JudgeOptions,
): Verdict {
  const { task, definition } = evidence;
  if (definition === undefined) {
    return { kind: "needs_definition", arn: task.definition.arn };
  }
  const own = containerDefinitionOf(definition, task, notice.containerName);
  refuseUninvited(rule, own, options.optInLabel);
  refuseUnfit(rule, task, container, notice.cluster);
  refuseOpenKey(definition);
  refuseUnproven(rule, definition);
  const plain = isPlain(rule, own);
  const secrets = secretsOf(rule, own);
  const place = placeOf({
    task,
    container,
    definition,
    containerDefinition: own,
    rulePort: rule.port,
    fallbackPort: options.entrypointPort,
    instance: evidence.instance,
  });
  switch (place.kind) {
    case "instance":
      return { kind: "needs_instance", arn: place.arn };
    case "not_yet":
      return { ...place, otherwise: "address_unknown" };
    case "dial": {
      const { host, port } = place;
      return {
        kind: "vouched",
        rule,
        containerId: container.runtimeId,
        dial: { host, port },
        plain,
        secrets,
      };
    }
  }
}

/** The container as its task definition has it. */
export function containerDefinitionOf(
  definition: DefinitionFacts,
  task: TaskFacts,
  name: string,
): ContainerDefinition {
  const own = definition.containers.find((one) => one.name === name);
  if (definition.arn !== task.definition.arn || own === undefined) {
    throw denied(
      `the task's definition has no container called ${name}, so it cannot have opted in`,
    );
  }
  return own;
}

function notYet(why: string): NotYet {
  return { kind: "not_yet", why, otherwise: "task_not_running" };
}

function notRunning(detail: string): Refusal<"task_not_running"> {
  return new Refusal("task_not_running", detail);
}
