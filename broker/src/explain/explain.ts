// `policy explain`: what the broker would say of a container and why, asked of the same functions that decide it. It only
// reads: nothing is claimed, nothing is minted, nobody is dialled.

import { isNoticeRefusal, parseNotice, Refusal } from "@vaultbuddy/common";
import type { Notice, TaskArn } from "@vaultbuddy/common";
import type { DefinitionFacts } from "../ecs/definition.ts";
import type { TaskFacts } from "../ecs/facts.ts";
import type { EcsProvider } from "../ecs.ts";
import type { Policy } from "../policy.ts";
import { checkAll } from "../validate/checks.ts";
import type { Check } from "../validate/checks.ts";
import { secretsOf } from "../validate/consent.ts";
import { judge } from "../validate/judge.ts";
import type { Evidence, JudgeOptions, Verdict } from "../validate/judge.ts";
import { chooseForFamily, chooseRule } from "./rules.ts";
import type { Defaults, Gives, RuleChoice } from "./rules.ts";
import type { Target } from "./target.ts";

/** What is said of one container, or of a family as such. */
export interface Explained extends RuleChoice {
  readonly name: string;
  /** `served`, `not yet`, or the code of the refusal; for a family `served` says that a rule gives it a token. */
  readonly verdict: string;
  readonly why?: string;
  /** `host:port` that would be dialled. */
  readonly dial?: string;
  readonly checks: readonly Check[];
}

/** The whole answer. */
export interface Explanation {
  readonly target: string;
  readonly containers: readonly Explained[];
  /** Whether anything asked about would be served. */
  readonly served: boolean;
}

export interface ExplainDeps {
  readonly policy: Policy;
  readonly defaults: Defaults;
  readonly options: JudgeOptions;
  /** Opened for a task only. */
  readonly ecs: () => Pick<
    EcsProvider,
    "task" | "definition" | "instanceAddress"
  >;
  readonly signal: AbortSignal;
  /** One container of a task instead of all. */
  readonly container: string | undefined;
  /** The cluster's name, for a task ARN of the old format. */
  readonly cluster: string | undefined;
}

/** Explains a target. Throws Refusal `ecs_unavailable` when ECS did not answer. */
export async function explain(
  target: Target,
  deps: ExplainDeps,
): Promise<Explanation> {
  const containers =
    target.kind === "family"
      ? [explainFamily(target, deps)]
      : await explainTask(target.task, deps);
  return {
    target: target.kind === "task" ? target.task.arn : target.family,
    containers,
    served: containers.some(({ verdict }) => verdict === "served"),
  };
}

function explainFamily(
  { family, container }: Extract<Target, { kind: "family" }>,
  { policy, defaults }: ExplainDeps,
): Explained {
  const choice =
    container === undefined
      ? chooseForFamily(policy, family, defaults)
      : chooseRule(policy, { family, container }, defaults);
  const name = container === undefined ? family : `${family}/${container}`;
  const some = choice.containers ?? [];
  return choice.rule === undefined && some.length === 0
    ? {
        name,
        ...choice,
        checks: [],
        verdict: "policy_denied",
        why: `no policy rule matches ${name}: add one`,
      }
    : {
        name,
        ...choice,
        checks: [],
        verdict: "served",
        ...(choice.rule === undefined
          ? { why: "containers that have a rule of their own only" }
          : {}),
      };
}

async function explainTask(
  task: TaskArn,
  deps: ExplainDeps,
): Promise<Explained[]> {
  const cluster = task.cluster ?? deps.cluster;
  if (cluster === undefined) {
    throw new Refusal(
      "bad_request",
      "the task ARN names no cluster: name it with --cluster",
    );
  }
  const noticeFor = (name: string, id = "0".repeat(64)): Notice =>
    parseNotice(
      Buffer.from(
        JSON.stringify({
          taskArn: task.arn,
          cluster,
          containerName: name,
          containerId: id,
        }),
      ),
    );
  const facts = await askEcs(noticeFor("any"), deps);
  if (facts === undefined) {
    return [
      {
        name: task.arn,
        others: [],
        checks: [],
        verdict: "task_not_found",
        why: "ECS does not know the task: it never ran in this cluster, or it ended more than an hour ago",
      },
    ];
  }
  const names =
    deps.container === undefined
      ? facts.evidence.task.containers.map(({ name }) => name)
      : [deps.container];
  return names.map((name) => {
    const { runtimeId } =
      facts.evidence.task.containers.find((one) => one.name === name) ?? {};
    return explainContainer(noticeFor(name, runtimeId), facts.evidence, deps);
  });
}

function explainContainer(
  notice: Notice,
  evidence: Evidence,
  deps: ExplainDeps,
): Explained {
  const { policy, defaults, options } = deps;
  const { family } = evidence.task.definition;
  const container = notice.containerName;
  const verdict = verdictOf(notice, evidence, deps);
  const choice = chooseRule(policy, { family, container }, defaults);
  return {
    name: `${family}/${container}`,
    ...choice,
    ...withLabels(choice, notice, evidence, policy),
    checks: checkAll(notice, evidence, policy, options),
    ...verdict,
  };
}

/** What the container's labels add to what its rule gives, when they are well formed. */
function withLabels(
  { gives }: RuleChoice,
  { containerName }: Notice,
  { task, definition }: Evidence,
  policy: Pick<Policy, "match">,
): { gives?: Gives } {
  const rule = policy.match(task.definition.family, containerName);
  const own = definition?.containers.find(({ name }) => name === containerName);
  if (gives === undefined || rule === undefined || own === undefined) {
    return {};
  }
  try {
    const { paths, env } = secretsOf(rule, own);
    return {
      gives: { ...gives, secrets: paths, env: Object.fromEntries(env) },
    };
  } catch {
    // One of the checks says so.
    return {};
  }
}

function verdictOf(
  notice: Notice,
  evidence: Evidence,
  { policy, options }: ExplainDeps,
): Pick<Explained, "verdict" | "why" | "dial"> {
  let verdict: Verdict;
  try {
    verdict = judge(notice, evidence, policy, options);
  } catch (error) {
    if (error instanceof Refusal && isNoticeRefusal(error)) {
      return { verdict: error.code, why: error.message };
    }
    throw error;
  }
  switch (verdict.kind) {
    case "vouched":
      return {
        verdict: "served",
        dial: `${verdict.dial.host}:${verdict.dial.port}`,
      };
    case "not_yet":
      return { verdict: "not yet", why: verdict.why };
    case "needs_definition":
    case "needs_instance":
      return { verdict: "not yet", why: "ECS was not asked for everything" };
  }
}

/** Asks once for everything a judgement may need; undefined when ECS does not know the task. */
async function askEcs(
  { cluster, task }: Notice,
  { ecs, signal }: ExplainDeps,
): Promise<{ evidence: Evidence } | undefined> {
  const provider = ecs();
  const lookup = { source: "explain", signal };
  const answer = await provider.task(cluster, task, {
    ...lookup,
    patience: 0,
    missing: false,
  });
  if (answer.kind === "missing") {
    return undefined;
  }
  const facts = answer.task;
  const definition = await provider.definition(
    cluster,
    facts.definition.arn,
    lookup,
  );
  const instance = onHost(facts, definition)
    ? ((await provider.instanceAddress(
        cluster,
        facts.instanceArn ?? "",
        lookup,
      )) ?? false)
    : false;
  return {
    evidence: {
      task: facts,
      now: answer.asOf,
      definition,
      instance,
      restartOf: false,
    },
  };
}

function onHost(task: TaskFacts, definition: DefinitionFacts): boolean {
  return (
    task.instanceArn !== undefined &&
    (definition.networkMode === "bridge" || definition.networkMode === "host")
  );
}
