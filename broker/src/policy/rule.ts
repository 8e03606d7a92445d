// One rule of the policy document: its fields, their limits and what holds when one is absent. What a combination of
// fields cannot mean is a fault here, at load, and not a refusal when a container waits.

import {
  MOST_PATHS,
  MOST_VARIABLES,
  secretReference,
  text,
  variableName,
  vaultPath,
} from "@vaultbuddy/common";
import type { SecretPlan, TextRule } from "@vaultbuddy/common";
import type { PolicyRule } from "../policy.ts";
import type { Reader } from "./reader.ts";
import { readRequire } from "./require.ts";

/** The life of a token whose rule names none, in seconds. */
const TTL = 3600;
const MOST_TTL = 2 ** 31 - 1;
/** How far apart fresh tokens for a restarted container are when the rule does not say, in seconds. */
const MIN_INTERVAL = 60;

/** What the broker itself writes into every token's metadata. */
const OWN_META = ["task_arn", "family", "container"];

const ROLE: TextRule = {
  max: 128,
  pattern: /^[\w-]+$/,
  form: "a token role's name: letters, digits, - and _",
};
const POLICY_NAME: TextRule = {
  max: 256,
  pattern: /^(?!root$)[\w.@+:/-]+$/i,
  form: "a Vault policy's name, and never root",
};
const META_NAME: TextRule = {
  max: 128,
  pattern: /^[\w.-]+$/,
  form: "letters, digits, ., - and _",
};
const META_VALUE: TextRule = {
  max: 512,
  pattern: /^[^\p{Cc}]+$/u,
  form: "text without control characters",
};

/** Reads one rule. Undefined, and a fault, when it is no object at all. */
export function readRule(
  pattern: string,
  reader: Reader | undefined,
): Omit<PolicyRule, "source"> | undefined {
  if (reader === undefined) {
    return undefined;
  }
  const given = {
    pattern,
    ...readToken(reader),
    ...readChannel(reader),
    secrets: readSecrets(reader),
    require: readRequire(reader.object("require")),
  };
  refuseMultiFetch(reader);
  const rule: Omit<PolicyRule, "source"> = {
    ...given,
    restart: readRestart(reader),
  };
  const few = tooFewUses(rule.numUses, rule.secrets);
  if (few !== undefined) {
    reader.fault("num_uses", few);
  }
  reader.done();
  return rule;
}

function readToken(
  reader: Reader,
): Pick<
  PolicyRule,
  "role" | "policies" | "ttl" | "numUses" | "meta" | "wrapTtl"
> {
  const role = reader.text("role", ROLE);
  const policies = reader.list("policies", 100, (value, at) =>
    text(value, at, POLICY_NAME),
  );
  const ttl = reader.seconds("ttl", 1, MOST_TTL);
  const numUses = reader.integer("num_uses", 0, 1_000_000);
  if (reader.boolean("renewable") === false) {
    reader.fault(
      "renewable",
      "must be true or absent: the entrypoint renews the token to its ttl",
    );
  }
  const meta = reader.table("meta", 32, META_NAME, META_VALUE) ?? new Map();
  for (const name of OWN_META.filter((own) => meta.has(own))) {
    reader.fault(`meta.${name}`, "is written by the broker itself");
  }
  const wrapTtl = reader.seconds("wrap_ttl", 1, 120);
  return {
    role,
    policies: policies ?? ["default"],
    ttl: ttl ?? TTL,
    numUses: numUses ?? 0,
    meta,
    wrapTtl,
  };
}

function readChannel(
  reader: Reader,
): Pick<PolicyRule, "port" | "proof" | "transport" | "listener"> {
  const port = reader.integer("port", 1, 65_535);
  const proof = reader.oneOf("proof", ["hmac", "ed25519"]);
  const transport = reader.oneOf("transport", ["tls", "plain"]);
  const listener = reader.oneOf("listener", ["proven", "unproven"]);
  if (listener === "unproven" && proof !== "ed25519") {
    reader.fault(
      "listener",
      "unproven has a meaning with proof ed25519 only: hmac always proves the listener",
    );
  }
  return {
    port,
    proof: proof ?? "hmac",
    transport: transport ?? "tls",
    listener: listener ?? "proven",
  };
}

function readSecrets(reader: Reader): SecretPlan {
  const paths = reader.list("secrets", MOST_PATHS, (value, at) =>
    text(value, at, vaultPath),
  );
  const env = reader.table(
    "env",
    MOST_VARIABLES,
    variableName,
    secretReference,
  );
  return { paths: paths ?? [], env: env ?? new Map() };
}

/** vault-gatekeeper's: several tokens for a task that pulls them. Nobody pulls here, and a limit that limits nothing would be believed. */
function refuseMultiFetch(reader: Reader): void {
  for (const name of ["multi_fetch", "multi_fetch_limit"]) {
    reader.refuse(
      name,
      "is not available: a container gets one token, and another only by restart",
    );
  }
}

function readRestart(reader: Reader): PolicyRule["restart"] {
  const restart = reader.object("restart");
  if (restart === undefined) {
    return undefined;
  }
  const max = restart.integer("max", 1, 10_000);
  if (!restart.has("max")) {
    restart.fault("max", "is required: how many fresh tokens, at most");
  }
  const interval = restart.seconds("min_interval", 1, 7 * 24 * 3600);
  restart.done();
  return max === undefined
    ? undefined
    : { max, minInterval: (interval ?? MIN_INTERVAL) * 1000 };
}

/**
 * What is wrong with a number of uses. One is spent on every read and on the renewal; with too few, the token dies before
 * the application has it.
 */
export function tooFewUses(
  numUses: number,
  { paths, env }: SecretPlan,
): string | undefined {
  const read = new Set([
    ...paths,
    ...[...env.values()].map((reference) =>
      reference.slice(0, reference.indexOf("#")),
    ),
  ]);
  const needed = read.size + 2;
  return numUses > 0 && read.size > 0 && numUses < needed
    ? `must be 0 or at least ${needed}: one for each path, one to renew, one to spare`
    : undefined;
}

/** Reads a key of the document: a glob over `family` or `family/container`. Throws {@link ShapeError}. */
export function readPattern(key: string): string {
  const shown = /^[\x21-\x7e]{1,600}$/.test(key) ? key : "(unprintable key)";
  return text(key, shown, {
    max: 511,
    pattern: /^(?!.*\*\*)[\w*-]{1,255}(?:\/[\w*-]{1,255})?$/,
    form: "a glob over family or family/container: letters, digits, -, _ and single stars",
  });
}
