// The asking behind the judgement: ECS is asked again and again while the verdict is "not yet", with growing pauses and
// for as long as its caller's signal allows, and what the verdict will need is looked up meanwhile.

import { pause, Refusal } from "@vaultbuddy/common";
import type { Clock, Notice } from "@vaultbuddy/common";
import type { TaskFacts } from "../ecs/facts.ts";
import type { EcsProvider, Lookup } from "../ecs.ts";
import type { Policy } from "../policy.ts";
import { judge } from "./judge.ts";
import type { Evidence, JudgeOptions, NotYet, Verdict } from "./judge.ts";

/** A question without an answer for this long is ECS's failing and not the task's, in milliseconds. */
const UNANSWERED = 2000;

/** What an inquiry needs. */
export interface InquiryDeps {
  readonly ecs: Pick<EcsProvider, "task" | "definition" | "instanceAddress">;
  readonly policy: Pick<Policy, "match">;
  readonly clock: Clock;
  readonly options: JudgeOptions;
}

/** A container that passed, as ECS had its task when it did. */
export interface Finding {
  readonly task: TaskFacts;
  readonly verdict: Extract<Verdict, { kind: "vouched" }>;
}

const POLL = { first: 100, most: 1000 };
/** How long a task that ECS does not know may yet appear, in milliseconds. */
const MISSING_FOR = 5000;

/** One notice being looked into. Knows what it waits for, for the moment when time is up. */
export class Inquiry {
  readonly #notice: Notice;
  readonly #deps: InquiryDeps;
  readonly #lookup: Lookup;
  #waitingFor: NotYet | "missing" | undefined;
  #missingSince: number | undefined;
  /** When the question was asked that has no answer yet. */
  #askedAt: number | undefined;
  #preparing = false;

  constructor(notice: Notice, deps: InquiryDeps, lookup: Lookup) {
    this.#notice = notice;
    this.#deps = deps;
    this.#lookup = lookup;
  }

  /** Asks and polls until the verdict is clear. Throws Refusal, or the reason of the signal. */
  async run(restartOf: boolean): Promise<Finding> {
    const { clock, ecs } = this.#deps;
    const { task, cluster } = this.#notice;
    for (let attempt = 0, patience = 0; ; attempt += 1) {
      this.#askedAt = clock.monotonic();
      const answer = await ecs.task(cluster, task, {
        ...this.#lookup,
        patience,
        missing: this.#missingSince !== undefined,
      });
      this.#askedAt = undefined;
      if (answer.kind === "found") {
        this.#missingSince = undefined;
        const { asOf: now } = answer;
        const evidence = { task: answer.task, now, restartOf };
        const verdict = await this.#settle(evidence);
        if (verdict.kind === "vouched") {
          return { task: answer.task, verdict };
        }
        this.#waitingFor = verdict;
        this.#prepareOnce(answer.task);
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
    const now = this.#deps.clock.monotonic();
    const unanswered = now - (this.#askedAt ?? now) >= UNANSWERED;
    if (waitingFor === undefined || unanswered) {
      return new Refusal(
        "ecs_unavailable",
        "ECS had not answered before the deadline: nothing was consumed, try again",
        { cause },
      );
    }
    if (waitingFor === "missing") {
      return notFound();
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
   * failure is nobody's concern here: the verdict asks again.
   */
  #prepareOnce(task: TaskFacts): void {
    if (!this.#preparing) {
      this.#preparing = true;
      this.#prepare(task).catch(() => undefined);
    }
  }

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
}

function notFound(): Refusal<"task_not_found"> {
  return new Refusal(
    "task_not_found",
    "ECS has not known the task for 5 s: does it run in the cluster the notice names?",
  );
}
