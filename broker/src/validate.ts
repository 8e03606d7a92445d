// Step 1 of the broker: is what the agent says so, and does the container deserve a token? The judgement itself is pure
// (validate/judge.ts); here ECS is asked, again and again while the verdict is "not yet", until the deadline.

import { pause, Refusal } from "@vaultbuddy/common";
import type { Clock, Notice, SecretPlan } from "@vaultbuddy/common";
import type { TaskFacts } from "./ecs/facts.ts";
import type { EcsProvider, Lookup } from "./ecs.ts";
import type { Policy, Rule } from "./policy.ts";
import { judge, refuseForeignCluster } from "./validate/judge.ts";
import type {
  Evidence,
  JudgeOptions,
  NotYet,
  Verdict,
} from "./validate/judge.ts";

export { parseClusterPattern } from "./policy/cluster.ts";
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

/** What vouching needs. */
export interface VouchDeps {
  readonly ecs: Pick<EcsProvider, "task" | "definition" | "instanceAddress">;
  readonly policy: Pick<Policy, "match">;
  readonly clock: Clock;
  readonly options: JudgeOptions;
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

const POLL = { first: 100, most: 1000 };
/** How long a task that ECS does not know may yet appear, in milliseconds. */
const MISSING_FOR = 5000;

/** Asks and polls until the verdict is clear. Throws Refusal with the code of the first check that failed. */
export async function vouch(
  notice: Notice,
  deps: VouchDeps,
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
    return await inquiry.run(restartOf);
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

/** One notice being looked into. */
class Inquiry {
  readonly #notice: Notice;
  readonly #deps: VouchDeps;
  readonly #lookup: Lookup;
  #waitingFor: NotYet | "missing" | undefined;
  #missingSince: number | undefined;
  #prepared: Promise<void> | undefined;

  constructor(notice: Notice, deps: VouchDeps, lookup: Lookup) {
    this.#notice = notice;
    this.#deps = deps;
    this.#lookup = lookup;
  }

  async run(restartOf: boolean): Promise<Vouched> {
    const { clock, ecs } = this.#deps;
    const { task, cluster } = this.#notice;
    for (let attempt = 0, patience = 0; ; attempt += 1) {
      const answer = await ecs.task(cluster, task, {
        ...this.#lookup,
        patience,
        missing: this.#missingSince !== undefined,
      });
      if (answer.kind === "found") {
        this.#missingSince = undefined;
        const { asOf: now } = answer;
        const evidence = { task: answer.task, now, restartOf };
        const verdict = await this.#settle(evidence);
        if (verdict.kind === "vouched") {
          return this.#vouched(evidence, verdict);
        }
        this.#waitingFor = verdict;
        this.#prepared ??= this.#prepare(answer.task).catch(() => undefined);
      } else {
        this.#missing();
      }
      const wait = Math.min(pause(POLL, attempt, clock), this.#untilLost());
      patience = wait / 4;
      await clock.sleep(wait, this.#lookup.signal);
    }
  }

  /** What to throw when the deadline came first. */
  timeIsUp(
    cause: unknown,
  ): Refusal<
    | "task_not_found"
    | "task_not_running"
    | "address_unknown"
    | "ecs_unavailable"
  > {
    const waitingFor = this.#waitingFor;
    if (waitingFor === "missing") {
      return notFound();
    }
    if (waitingFor === undefined) {
      return new Refusal(
        "ecs_unavailable",
        "ECS had not answered before the deadline: nothing was consumed, try again",
        { cause },
      );
    }
    return new Refusal(
      waitingFor.otherwise,
      `${waitingFor.why}, and the deadline has come (--delivery-timeout)`,
    );
  }

  /** Judges with ever more facts, until the verdict asks for none. */
  async #settle(
    evidence: Evidence,
  ): Promise<Extract<Verdict, { kind: "vouched" | "not_yet" }>> {
    const { ecs, policy, options } = this.#deps;
    const { cluster } = this.#notice;
    const verdict = judge(this.#notice, evidence, policy, options);
    switch (verdict.kind) {
      case "needs_definition": {
        const definition = await ecs.definition(
          cluster,
          verdict.arn,
          this.#lookup,
        );
        return await this.#settle({ ...evidence, definition });
      }
      case "needs_instance": {
        const instance =
          (await ecs.instanceAddress(cluster, verdict.arn, this.#lookup)) ??
          false;
        return await this.#settle({ ...evidence, instance });
      }
      case "not_yet":
      case "vouched":
        return verdict;
    }
  }

  /**
   * Looks up what the verdict will need while the task is not ready yet, so that nothing is left to ask when it is. A
   * failure is nobody's concern here: who needs the answer asks again.
   */
  async #prepare({ definition, instanceArn }: TaskFacts): Promise<void> {
    const { ecs, policy } = this.#deps;
    const { cluster, containerName } = this.#notice;
    if (policy.match(definition.family, containerName) === undefined) {
      return;
    }
    const { networkMode } = await ecs.definition(
      cluster,
      definition.arn,
      this.#lookup,
    );
    const onHost = networkMode === "bridge" || networkMode === "host";
    if (onHost && instanceArn !== undefined) {
      await ecs.instanceAddress(cluster, instanceArn, this.#lookup);
    }
  }

  #missing(): void {
    const now = this.#deps.clock.monotonic();
    this.#waitingFor = "missing";
    this.#missingSince ??= now;
    if (now - this.#missingSince >= MISSING_FOR) {
      throw notFound();
    }
  }

  /** Until a missing task counts as lost, so that it is asked for at that moment once more. */
  #untilLost(): number {
    return this.#missingSince === undefined
      ? Infinity
      : this.#missingSince + MISSING_FOR - this.#deps.clock.monotonic();
  }

  #vouched(
    { task }: Evidence,
    verdict: Extract<Verdict, { kind: "vouched" }>,
  ): Vouched {
    const facts: Omit<Vouched, typeof vouched> = {
      taskArn: task.taskArn,
      clusterArn: task.clusterArn,
      account: this.#notice.task.account,
      family: task.definition.family,
      containerName: this.#notice.containerName,
      containerId: verdict.containerId,
      rule: verdict.rule,
      dial: verdict.dial,
      plain: verdict.plain,
      secrets: verdict.secrets,
    };
    return facts as Vouched;
  }
}

function notFound(): Refusal<"task_not_found"> {
  return new Refusal(
    "task_not_found",
    "ECS has not known the task for 5 s: does it run in the cluster the notice names?",
  );
}
