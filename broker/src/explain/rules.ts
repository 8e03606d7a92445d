// Which rule counts for a container and why, which others match, and what the rule gives: for a person to read.

import type { Policy, PolicyRule } from "../policy.ts";
import { literalLength, matchesGlob } from "../policy/glob.ts";

/** What a rule gives, with the broker's defaults filled in. Durations in seconds. */
export interface Gives {
  readonly role: string;
  readonly policies: readonly string[];
  readonly ttl: number;
  readonly num_uses: number;
  readonly wrap_ttl: number;
  readonly meta: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly proof: string;
  readonly transport: string;
  /** Undefined: as the task definition says, else the broker's --entrypoint-port. */
  readonly port?: number;
  readonly restart?: { readonly max: number; readonly min_interval: number };
}

/** The rules that match, and what the first of them gives. */
export interface RuleChoice {
  readonly rule?: string;
  readonly source?: string;
  readonly because?: string;
  /** Those that match as well and do not count, the next best first. */
  readonly others: readonly string[];
  /** Of a family as such: rules for some of its containers, which beat this one. */
  readonly containers?: readonly string[];
  readonly require?: readonly string[];
  readonly gives?: Gives;
}

/** The broker's own defaults. */
export interface Defaults {
  readonly tokenRole: string;
  /** Milliseconds. */
  readonly wrapTtl: number;
}

/** Explains the choice for one container. */
export function chooseRule(
  policy: Pick<Policy, "candidates">,
  name: { readonly family: string; readonly container: string },
  defaults: Defaults,
): RuleChoice {
  const [first, ...rest] = policy.candidates(name.family, name.container);
  return choiceOf(first, rest, defaults);
}

/**
 * Explains what holds for a family as such: the rule for containers that no other rule names, and the rules that name
 * some.
 */
export function chooseForFamily(
  policy: Policy,
  family: string,
  defaults: Defaults,
): RuleChoice {
  const whole = policy
    // No container can be called so: only rules for the whole family match.
    .candidates(family, "")
    .filter(({ pattern }) => !pattern.includes("/"));
  const containers = policy.rules.filter(
    ({ pattern }) =>
      pattern.includes("/") && matchesGlob(pattern.split("/")[0] ?? "", family),
  );
  const [first, ...rest] = whole;
  return {
    ...choiceOf(first, rest, defaults),
    containers: containers.map(({ pattern }) => pattern),
  };
}

function choiceOf(
  first: PolicyRule | undefined,
  rest: readonly PolicyRule[],
  defaults: Defaults,
): RuleChoice {
  const others = rest.map(({ pattern }) => pattern);
  if (first === undefined) {
    return { others };
  }
  return {
    rule: first.pattern,
    source: first.source,
    because: becauseOf(first, rest[0]),
    others,
    require: requirementsOf(first),
    gives: givesOf(first, defaults),
  };
}

function becauseOf(first: PolicyRule, next: PolicyRule | undefined): string {
  const pattern = first.pattern.includes("*");
  if (next === undefined) {
    return `it is the only one that matches`;
  }
  if (first.pattern.includes("/") && !next.pattern.includes("/")) {
    return `a rule with a container beats one without (${next.pattern})`;
  }
  return pattern
    ? `of the patterns it has the most literal characters (${literalLength(first.pattern)}; ${next.pattern} has ${literalLength(next.pattern)})`
    : `an exact rule beats a pattern (${next.pattern})`;
}

function givesOf(rule: PolicyRule, { tokenRole, wrapTtl }: Defaults): Gives {
  return {
    role: rule.role ?? tokenRole,
    policies: rule.policies,
    ttl: rule.ttl,
    num_uses: rule.numUses,
    wrap_ttl: rule.wrapTtl ?? Math.floor(wrapTtl / 1000),
    meta: Object.fromEntries(rule.meta),
    secrets: rule.secrets.paths,
    env: Object.fromEntries(rule.secrets.env),
    proof: rule.proof,
    transport: rule.transport,
    ...(rule.port === undefined ? {} : { port: rule.port }),
    ...(rule.restart === undefined
      ? {}
      : {
          restart: {
            max: rule.restart.max,
            min_interval: rule.restart.minInterval / 1000,
          },
        }),
  };
}

function requirementsOf({ require }: PolicyRule): string[] {
  const clusters = require.clusters?.map(
    ({ partition, region, account, name }) =>
      `arn:${partition}:ecs:${region}:${account}:cluster/${name}`,
  );
  const lists = Object.entries({
    group: require.group,
    clusters,
    launchType: require.launchType,
    images: require.images,
    startedBy: require.startedBy,
  });
  return [
    `overrides: ${require.overrides}`,
    `exec: ${require.exec}`,
    ...lists.flatMap(([field, values]) =>
      values === undefined ? [] : [`${field}: ${values.join(" or ")}`],
    ),
  ];
}
