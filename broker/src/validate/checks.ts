// The judgement once more, for a person to read: every check by its name, those after the first failing one as well. It
// calls what judge.ts calls, in the same order; the verdict itself is judge.ts's own, and a test holds the two together.

import { Refusal } from "@vaultbuddy/common";
import type { Notice } from "@vaultbuddy/common";
import type {
  ContainerDefinition,
  DefinitionFacts,
} from "../ecs/definition.ts";
import type { ContainerFacts } from "../ecs/facts.ts";
import type { Policy, PolicyRule } from "../policy.ts";
import { placeOf } from "./address.ts";
import {
  demandsOf,
  denied,
  isPlain,
  refuseOpenKey,
  refuseUninvited,
  refuseUnproven,
  secretsOf,
} from "./consent.ts";
import {
  containerDefinitionOf,
  identify,
  refuseForeignCluster,
  refuseOld,
  refuseOtherTask,
  stateOf,
} from "./judge.ts";
import type { Evidence, JudgeOptions } from "./judge.ts";

/** One check, as it came out. `not asked`: it depends on something that is missing. */
export interface Check {
  readonly name: string;
  readonly result: "pass" | "fail" | "not yet" | "not asked";
  /** The code an agent would be answered with. */
  readonly code?: string;
  readonly why?: string;
}

/** Everything a check may look at. */
interface Case {
  readonly notice: Notice;
  readonly evidence: Evidence;
  readonly policy: Pick<Policy, "match">;
  readonly options: JudgeOptions;
  readonly container: ContainerFacts | undefined;
  readonly rule: PolicyRule | undefined;
  readonly definition: DefinitionFacts | undefined;
  readonly own: ContainerDefinition | undefined;
}

/** What is not yet so, or undefined. Throws Refusal. */
type Look = () => { readonly why: string; readonly otherwise: string } | void;

/** Every check of a container's case, in the order of the judgement. */
export function checkAll(
  notice: Notice,
  evidence: Evidence,
  policy: Pick<Policy, "match">,
  options: JudgeOptions,
): Check[] {
  const { task, definition } = evidence;
  const container = task.containers.find(
    ({ name }) => name === notice.containerName,
  );
  const known: Case = {
    notice,
    evidence,
    policy,
    options,
    container,
    rule: policy.match(task.definition.family, notice.containerName),
    definition,
    own: definition?.containers.find(
      ({ name }) => name === notice.containerName,
    ),
  };
  return [...aboutTask(known), ...aboutConsent(known)];
}

function aboutTask(known: Case): Check[] {
  const { notice, evidence, options, container, rule } = known;
  const { task } = evidence;
  return [
    check("cluster is on the list", () =>
      refuseForeignCluster(notice, options),
    ),
    check("task and cluster are those asked for", () =>
      refuseOtherTask(notice, task),
    ),
    check("state", () => stateOf(task, container, options)),
    check("age", () => refuseOld(evidence, rule, options)),
    check("container and its runtime id", () => {
      const found = identify(notice, container);
      return "why" in found ? found : undefined;
    }),
    check("a rule matches", () => {
      if (rule === undefined) {
        throw denied(
          `no policy rule matches ${task.definition.family}/${notice.containerName}: add one`,
        );
      }
    }),
  ];
}

function aboutConsent(known: Case): Check[] {
  const { notice, evidence, options, container, rule, definition } = known;
  const { own } = known;
  const { task } = evidence;
  const both =
    rule === undefined || own === undefined ? undefined : { rule, own };
  return [
    check("container is in the task definition", () => {
      if (definition !== undefined) {
        containerDefinitionOf(definition, task, notice.containerName);
      }
    }),
    check(
      "opt-in by label or rule",
      both && (() => refuseUninvited(both.rule, both.own, options.optInLabel)),
    ),
    ...(rule === undefined || container === undefined
      ? []
      : demandsOf(rule, task, container, notice.cluster).map(
          ({ field, refusal }) =>
            check(`require.${field}`, () => {
              if (refusal !== undefined) {
                throw refusal;
              }
            }),
        )),
    check(
      "the key is no plain environment",
      definition && (() => refuseOpenKey(definition)),
    ),
    check(
      "the listener is proven",
      rule && definition && (() => refuseUnproven(rule, definition)),
    ),
    check(
      "rule and container agree on the transport",
      both &&
        (() => {
          isPlain(both.rule, both.own);
        }),
    ),
    check(
      "secrets named by labels",
      both &&
        (() => {
          secretsOf(both.rule, both.own);
        }),
    ),
    check("address", addressLook(known)),
  ];
}

function addressLook(known: Case): Look | undefined {
  const { evidence, options, container, rule, definition, own } = known;
  if (
    definition === undefined ||
    own === undefined ||
    container === undefined
  ) {
    return undefined;
  }
  return () => {
    const place = placeOf({
      task: evidence.task,
      container,
      definition,
      containerDefinition: own,
      rulePort: rule?.port,
      fallbackPort: options.entrypointPort,
      instance: evidence.instance ?? false,
    });
    return place.kind === "not_yet"
      ? { why: place.why, otherwise: "address_unknown" }
      : undefined;
  };
}

function check(name: string, look: Look | undefined): Check {
  if (look === undefined) {
    return { name, result: "not asked" };
  }
  try {
    const waiting = look();
    return waiting === undefined
      ? { name, result: "pass" }
      : {
          name,
          result: "not yet",
          code: waiting.otherwise,
          why: waiting.why,
        };
  } catch (error) {
    if (!(error instanceof Refusal)) {
      throw error;
    }
    return {
      name,
      result: "fail",
      code: String(error.code),
      why: error.message,
    };
  }
}
