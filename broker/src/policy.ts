// What a task definition family may have: the policy document, checked whole when it is loaded and matched on facts
// from ECS. A document with one fault gives no policy at all, because half a policy is a policy nobody has written.

import { ecsName, ShapeError } from "@vaultbuddy/common";
import type { SecretPlan } from "@vaultbuddy/common";
import { globsIntersect, literalLength, matchesGlob } from "./policy/glob.ts";
import { doubledKeys, placeOfSyntaxError } from "./policy/json.ts";
import { Reader } from "./policy/reader.ts";
import type { Require } from "./policy/require.ts";
import { readPattern, readRule } from "./policy/rule.ts";

/** One rule of the policy document, with every default filled in. Durations in seconds unless said. */
export interface Rule {
  /** The key under which it stands in the document: a glob over `family` or `family/container`. */
  readonly pattern: string;
  /** The Vault token role tokens are created through; undefined means the broker's own default. */
  readonly role: string | undefined;
  /** Never empty. */
  readonly policies: readonly string[];
  readonly ttl: number;
  /** 0 is without limit. */
  readonly numUses: number;
  readonly meta: ReadonlyMap<string, string>;
  /** Undefined means the broker's own default. */
  readonly wrapTtl: number | undefined;
  readonly port: number | undefined;
  readonly proof: "hmac" | "ed25519";
  readonly transport: "tls" | "plain";
  readonly secrets: SecretPlan;
  /** Fresh tokens for a container that ECS restarted in place; minInterval in milliseconds. */
  readonly restart:
    { readonly max: number; readonly minInterval: number } | undefined;
}

/** A rule with what only the judgement needs to know of it. */
export interface PolicyRule extends Rule {
  /** The document it stands in: a file, or a path in Vault. */
  readonly source: string;
  readonly require: Require;
  readonly listener: "proven" | "unproven";
}

/** A policy document that has no fault. */
export interface Policy {
  /** In the order of the documents. */
  readonly rules: readonly PolicyRule[];
  /** Every rule that matches a container, the one that counts first. */
  candidates(family: string, container: string): readonly PolicyRule[];
  /**
   * The one rule for a container: a rule with a container beats one without, an exact one beats a pattern, more
   * literal characters beat fewer. Undefined means denied.
   */
  match(family: string, container: string): PolicyRule | undefined;
}

/** All that is wrong with a policy document, each fault with its place. */
export class PolicyError extends Error {
  override readonly name = "PolicyError";
  readonly ours = true;
  readonly faults: readonly string[];

  constructor(source: string, faults: readonly string[]) {
    super(
      `the policy in ${source} has ${faults.length} fault(s):\n${faults.map((f) => `  ${f}`).join("\n")}`,
    );
    this.faults = faults;
  }
}

const MOST_BYTES = 1024 * 1024;
const MOST_RULES = 2000;

/** One document's text, and where it came from. */
export interface PolicyDocument {
  readonly source: string;
  readonly text: string;
}

/** Reads a policy document. `source` says in messages where it came from. Throws {@link PolicyError} with all faults. */
export function loadPolicy(text: string, source: string): Policy {
  return loadPolicies([{ text, source }], source);
}

/**
 * Reads one policy that stands in several documents. A rule that stands in two of them is a fault, whatever it says: the
 * one that counts would depend on the order in which they were read. Throws {@link PolicyError} with all faults.
 */
export function loadPolicies(
  documents: readonly PolicyDocument[],
  source: string,
): Policy {
  const faults: string[] = [];
  const rules = documents.flatMap((document) => {
    const own: string[] = [];
    const read = readRules(document.text, own);
    const place = documents.length > 1 ? `${document.source}: ` : "";
    faults.push(...own.map((fault) => `${place}${fault}`));
    return read.map((rule) => ({ ...rule, source: document.source }));
  });
  if (rules.length > MOST_RULES) {
    faults.push(
      `the documents: must have at most ${MOST_RULES} rules together`,
    );
  }
  if (faults.length === 0) {
    faults.push(...repetitions(rules), ...ambiguities(rules));
  }
  if (faults.length > 0) {
    throw new PolicyError(source, faults);
  }
  const candidates = finder(rules);
  return {
    rules,
    candidates,
    match: (family, container) => candidates(family, container)[0],
  };
}

function repetitions(rules: readonly PolicyRule[]): string[] {
  return [...Map.groupBy(rules, ({ pattern }) => pattern).values()]
    .filter((same) => same.length > 1)
    .map(
      (same) =>
        `${same[0]?.pattern ?? ""}: stands in ${same.map((rule) => rule.source).join(" and in ")}`,
    );
}

type ReadRule = Omit<PolicyRule, "source">;

function readRules(text: string, faults: string[]): ReadRule[] {
  const document = readDocument(text, faults);
  const reader =
    faults.length === 0 ? Reader.open(document, "", faults) : undefined;
  if (reader === undefined) {
    return [];
  }
  if (reader.names.length > MOST_RULES) {
    faults.push(`the document: must have at most ${MOST_RULES} rules`);
    return [];
  }
  const rules: ReadRule[] = [];
  for (const key of reader.names) {
    const rule = readRule(checkedPattern(key, faults), reader.object(key));
    if (rule !== undefined) {
      rules.push(rule);
    }
  }
  faults.push(
    ...doubledKeys(text).map(
      ({ at, line }) =>
        `${at}: stands in the document twice, the second time in line ${line}`,
    ),
  );
  return rules;
}

function readDocument(text: string, faults: string[]): unknown {
  if (text.length > MOST_BYTES) {
    faults.push(`the document: must be at most ${MOST_BYTES} bytes`);
    return undefined;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    faults.push(
      `the document: is not JSON, as ${placeOfSyntaxError(text, error)} shows`,
    );
    return undefined;
  }
}

function checkedPattern(key: string, faults: string[]): string {
  try {
    return readPattern(key);
  } catch (error) {
    if (!(error instanceof ShapeError)) {
      throw error;
    }
    faults.push(error.message);
    return key;
  }
}

/** Pairs of patterns of one rank that some name matches both of: neither would be the rule. */
function ambiguities(rules: readonly PolicyRule[]): string[] {
  const ranks = Map.groupBy(
    rules.filter((rule) => rule.pattern.includes("*")),
    ({ pattern }) => `${pattern.includes("/")} ${literalLength(pattern)}`,
  );
  return [...ranks.values()].flatMap((rank) =>
    rank.flatMap((left, index) =>
      rank
        .slice(index + 1)
        .filter((right) =>
          globsIntersect(left.pattern, right.pattern, ecsName.max),
        )
        .map(
          (right) =>
            `${right.pattern}: can match the same name as ${left.pattern}, and neither is more exact`,
        ),
    ),
  );
}

function finder(rules: readonly PolicyRule[]): Policy["candidates"] {
  const exact = new Map(
    rules
      .filter((rule) => !rule.pattern.includes("*"))
      .map((rule) => [rule.pattern, rule]),
  );
  const patterns = rules
    .filter((rule) => rule.pattern.includes("*"))
    .toSorted((a, b) => literalLength(b.pattern) - literalLength(a.pattern));
  const matching = (name: string): PolicyRule[] => [
    ...[exact.get(name)].filter((rule) => rule !== undefined),
    ...patterns.filter((rule) => matchesGlob(rule.pattern, name)),
  ];
  return (family, container) => [
    ...matching(`${family}/${container}`),
    ...matching(family),
  ];
}
