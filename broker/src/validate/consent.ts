// What the rule, the task definition and RunTask's caller together allow: opt-in, the rule's demands, plain HTTP by
// double consent, and where the secrets stand. Every refusal here is `policy_denied` and says what would have to change.

import {
  MOST_PATHS,
  MOST_VARIABLES,
  Refusal,
  secretReference,
  ShapeError,
  text,
  variableName,
  vaultPath,
} from "@vaultbuddy/common";
import type { ClusterArn, SecretPlan } from "@vaultbuddy/common";
import type {
  ContainerDefinition,
  DefinitionFacts,
} from "../ecs/definition.ts";
import type { ContainerFacts, TaskFacts } from "../ecs/facts.ts";
import type { PolicyRule } from "../policy.ts";
import { matchesCluster } from "../policy/cluster.ts";
import { matchesGlob } from "../policy/glob.ts";
import { tooFewUses } from "../policy/rule.ts";
import { imageIdentity } from "./image.ts";

const PATHS_LABEL = "vaultbuddy.secrets";
const VARIABLE_LABEL = "vaultbuddy.env.";

/** Refuses a container that has not asked for a token: by its label, or by a rule that names containers. */
export function refuseUninvited(
  rule: PolicyRule,
  definition: ContainerDefinition,
  label: { readonly name: string; readonly value: string },
): void {
  const asked = definition.labels.get(label.name) === label.value;
  if (!asked && !rule.pattern.includes("/")) {
    throw denied(
      `the container has not opted in: set the dockerLabel ${label.name}=${label.value} in its task definition, or write a rule for family/container`,
    );
  }
}

/** Refuses a family whose key everybody can read who may read task definitions. */
export function refuseOpenKey(definition: DefinitionFacts): void {
  const open = definition.containers.find((one) => one.keyInTheOpen);
  if (open !== undefined) {
    throw denied(
      `the task definition has WIS_HMAC_KEY as plain environment of ${open.name}: give it as an ECS secret or a mounted file, and derive a new key`,
    );
  }
}

/**
 * Ed25519 proves nothing of who listens. In awsvpc mode the address is the task's own, and AWS says whose it is; on a port
 * of the host another process may stand, so that the rule has to say that it may.
 */
export function refuseUnproven(
  rule: PolicyRule,
  { networkMode }: DefinitionFacts,
): void {
  if (
    rule.proof === "ed25519" &&
    rule.listener !== "unproven" &&
    networkMode !== "awsvpc"
  ) {
    throw denied(
      "the rule's proof is ed25519, which proves no listener, and the task is not in awsvpc mode: use awsvpc, or proof hmac, or let the rule say listener: unproven",
    );
  }
}

/** One of a rule's demands on a task. */
export interface Demand {
  /** The field of `require`. */
  readonly field: string;
  /** Undefined when the task fits. */
  readonly refusal: Refusal<"policy_denied"> | undefined;
}

/** Every demand of a rule, met or not. */
export function demandsOf(
  rule: PolicyRule,
  task: TaskFacts,
  container: ContainerFacts,
  cluster: ClusterArn,
): readonly Demand[] {
  const { require } = rule;
  const { image, imageDigest } = container;
  const identity =
    image === undefined ? undefined : imageIdentity(image, imageDigest);
  return [
    {
      field: "overrides",
      refusal:
        require.overrides === "deny" && task.overrides.length > 0
          ? denied(
              `the task was run with overrides (${task.overrides.slice(0, 5).join(", ")}): run it without, or let the rule require overrides: allow`,
            )
          : undefined,
    },
    {
      field: "exec",
      refusal:
        require.exec === "deny" && task.exec
          ? denied(
              "the task allows ECS Exec, so a shell in it could read its secrets: turn enableExecuteCommand off, or let the rule require exec: allow",
            )
          : undefined,
    },
    demand(require.group, "group", (glob) => matchesMaybe(glob, task.group)),
    demand(require.clusters, "clusters", (one) => matchesCluster(one, cluster)),
    demand(require.launchType, "launchType", (one) => one === task.launchType),
    demand(require.startedBy, "startedBy", (glob) =>
      matchesMaybe(glob, task.startedBy),
    ),
    demand(require.images, "images", (glob) => matchesMaybe(glob, identity)),
  ];
}

/** Checks a rule's demands on the task. */
export function refuseUnfit(
  rule: PolicyRule,
  task: TaskFacts,
  container: ContainerFacts,
  cluster: ClusterArn,
): void {
  const unmet = demandsOf(rule, task, container, cluster).find(
    ({ refusal }) => refusal !== undefined,
  );
  if (unmet?.refusal !== undefined) {
    throw unmet.refusal;
  }
}

function demand<Wanted>(
  wanted: readonly Wanted[] | undefined,
  field: string,
  fits: (one: Wanted) => boolean,
): Demand {
  const met = wanted === undefined || wanted.some(fits);
  return {
    field,
    refusal: met
      ? undefined
      : denied(
          `what ECS says of the task does not fit the rule's require.${field}`,
        ),
  };
}

function matchesMaybe(glob: string, value: string | undefined): boolean {
  return value !== undefined && matchesGlob(glob, value);
}

/**
 * Whether the channel is plain HTTP. The rule decides: one that says plain and a container that does not is a refusal,
 * because falling back to TLS would be a negotiation, and nobody would learn that one of the two is mistaken.
 */
export function isPlain(
  rule: PolicyRule,
  definition: ContainerDefinition,
): boolean {
  if (rule.transport === "plain" && !definition.plaintext) {
    throw denied(
      "the rule says transport: plain and the container does not: set WIS_PLAINTEXT=allow in its task definition, or take transport out of the rule",
    );
  }
  return rule.transport === "plain";
}

/** The rule's paths and variables and those of the labels; for one variable the rule wins. */
export function secretsOf(
  rule: PolicyRule,
  definition: ContainerDefinition,
): SecretPlan {
  const paths = new Set(rule.secrets.paths);
  const env = new Map(rule.secrets.env);
  for (const [label, value] of definition.labels) {
    if (label === PATHS_LABEL) {
      labelled(label, () => {
        for (const path of value.split(",")) {
          paths.add(text(path.trim(), label, vaultPath));
        }
      });
    } else if (label.startsWith(VARIABLE_LABEL)) {
      labelled(label, () => {
        const name = text(
          label.slice(VARIABLE_LABEL.length),
          label,
          variableName,
        );
        const reference = text(value.trim(), label, secretReference);
        env.set(name, rule.secrets.env.get(name) ?? reference);
      });
    }
  }
  if (paths.size > MOST_PATHS || env.size > MOST_VARIABLES) {
    throw denied(
      `the rule and the labels ${PATHS_LABEL} and ${VARIABLE_LABEL}… name more than ${MOST_PATHS} paths or ${MOST_VARIABLES} variables together`,
    );
  }
  const plan = { paths: [...paths], env };
  const few = tooFewUses(rule.numUses, plan);
  if (few !== undefined) {
    throw denied(
      `with what the labels ${PATHS_LABEL} and ${VARIABLE_LABEL}… name, the rule's num_uses ${few}`,
    );
  }
  return plan;
}

function labelled(label: string, read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof ShapeError)) {
      throw error;
    }
    const shown = /^[\w.-]{1,128}$/.test(label) ? label : `${VARIABLE_LABEL}…`;
    throw denied(
      `the dockerLabel ${shown} is malformed: paths are written as secret/web,secret/db and variables as secret/db#password`,
    );
  }
}

/** A refusal by policy. */
export function denied(detail: string): Refusal<"policy_denied"> {
  return new Refusal("policy_denied", detail);
}
