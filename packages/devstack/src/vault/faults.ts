// Vault's stand-in, faults on purpose: rules by method and path that make it slow, silent, cut off or not Vault at
// all, so that a story can see what a client makes of it.

import { isObject } from "./json.ts";

type FaultKind =
  /** Answers as usual, `ms` later. */
  | { readonly kind: "delay"; readonly ms: number }
  /** Answers this instead, without doing the work. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly body: string;
      readonly contentType?: string;
    }
  /** Takes the request and never answers. */
  | { readonly kind: "hang" }
  /** Cuts the connection, before or after doing the work: after it, the answer is lost. */
  | { readonly kind: "drop"; readonly when: "before" | "after" }
  /** Does the work and cuts the answer off in the middle, with the whole length announced. */
  | { readonly kind: "truncate" }
  /** Does the work and sends half of the JSON as if it were all. */
  | { readonly kind: "half" }
  /** Answers with JSON of at least so many bytes. */
  | { readonly kind: "oversize"; readonly bytes: number };

export type FaultRule = FaultKind & {
  /** The path after /v1/ starts with this; "" for all. */
  readonly prefix: string;
  /** Only this method; all without it. */
  readonly method?: string;
  /** How often the rule strikes before it is gone; without it, until it is cleared. */
  readonly times?: number;
};

interface Live {
  readonly rule: FaultRule;
  left: number;
}

export class Faults {
  #rules: Live[] = [];

  /** Adds a rule behind the others; the first one that fits a request strikes. */
  add(rule: FaultRule): void {
    this.#rules.push({ rule, left: rule.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.#rules = [];
  }

  get rules(): readonly FaultRule[] {
    return this.#rules.map(({ rule }) => rule);
  }

  /** The rule for a request, if any, counted as having struck. */
  take(method: string, path: string): FaultRule | undefined {
    const live = this.#rules.find(
      ({ rule }) =>
        path.startsWith(rule.prefix) &&
        (rule.method === undefined || rule.method === method),
    );
    if (live === undefined) return undefined;
    live.left -= 1;
    if (live.left <= 0)
      this.#rules = this.#rules.filter((other) => other !== live);
    return live.rule;
  }
}

/** A rule from JSON; throws an Error that says what is wrong with it. */
export function parseFaultRule(value: unknown): FaultRule {
  if (!isObject(value)) throw new Error("a fault rule is an object");
  const prefix = value["prefix"] ?? "";
  if (typeof prefix !== "string") throw new Error("prefix is a string");
  const method = value["method"];
  if (method !== undefined && typeof method !== "string")
    throw new Error("method is a string");
  const times = value["times"];
  if (times !== undefined && typeof times !== "number")
    throw new Error("times is a number");
  return {
    ...parseKind(value),
    prefix,
    ...(method !== undefined && { method }),
    ...(times !== undefined && { times }),
  };
}

function parseKind(value: Record<string, unknown>): FaultKind {
  const number = (name: string): number => {
    const given = value[name];
    if (typeof given !== "number" || !(given >= 0))
      throw new Error(`${name} is a number of at least 0`);
    return given;
  };
  const { kind, when, body, contentType } = value;
  switch (kind) {
    case "hang":
    case "truncate":
    case "half":
      return { kind };
    case "delay":
      return { kind, ms: number("ms") };
    case "oversize":
      return { kind, bytes: number("bytes") };
    case "drop":
      if (when !== "before" && when !== "after")
        throw new Error("when is before or after");
      return { kind, when };
    case "answer":
      return {
        kind,
        status: number("status"),
        body: typeof body === "string" ? body : "",
        ...(typeof contentType === "string" && { contentType }),
      };
    default:
      throw new Error(
        "kind is delay, answer, hang, drop, truncate, half or oversize",
      );
  }
}
