// Where a container listens: the address from ECS and EC2, the port from the rule or the task definition.

import { listenAddress, Refusal } from "@vaultbuddy/common";
import type {
  ContainerDefinition,
  DefinitionFacts,
} from "../ecs/definition.ts";
import { isDialable } from "../dialable.ts";
import type { ContainerFacts, PortBinding, TaskFacts } from "../ecs/facts.ts";

/** An address to dial, or what is missing to name one. */
export type Place =
  | { readonly kind: "dial"; readonly host: string; readonly port: number }
  | { readonly kind: "instance"; readonly arn: string }
  | { readonly kind: "not_yet"; readonly why: string };

/** What is known of where a container listens. */
export interface PlaceFacts {
  readonly task: TaskFacts;
  readonly container: ContainerFacts;
  readonly definition: DefinitionFacts;
  readonly containerDefinition: ContainerDefinition;
  /** The rule's own port. */
  readonly rulePort: number | undefined;
  readonly fallbackPort: number;
  /** The host's private address; undefined while it was not asked for, false when nobody names one. */
  readonly instance: string | false | undefined;
}

/** Finds the place. Throws Refusal `address_unknown` when there is none and none will come. */
export function placeOf(facts: PlaceFacts): Place {
  const port = portOf(facts);
  switch (facts.definition.networkMode) {
    case "awsvpc":
      return own(facts, port);
    case "bridge":
      return published(facts, port);
    case "host":
      return onInstance(facts, () => port);
    case "none":
    case "other":
      throw unknown(
        "the task definition's network mode gives the container no address: use awsvpc, bridge or host",
      );
  }
}

function portOf(facts: PlaceFacts): number {
  if (facts.rulePort !== undefined) {
    return facts.rulePort;
  }
  const { listen } = facts.containerDefinition;
  if (listen === undefined) {
    return facts.fallbackPort;
  }
  try {
    const { port } = listenAddress(listen);
    if (port > 0) {
      return port;
    }
  } catch {
    // Said below: what the task definition holds is not repeated.
  }
  throw unknown(
    "WIS_LISTEN in the task definition names no port: write it as :9202, or give the rule a port",
  );
}

function own(facts: PlaceFacts, port: number): Place {
  const host = facts.container.addresses[0] ?? facts.task.eni;
  return host === undefined
    ? {
        kind: "not_yet",
        why: "ECS names no network interface for the container",
      }
    : dial(host, port);
}

function published(facts: PlaceFacts, port: number): Place {
  const mapped = facts.containerDefinition.ports.some(
    ({ first, count }) => port >= first && port < first + count,
  );
  if (!mapped) {
    throw unknown(
      `the task definition has no portMapping for ${port}: add one, with hostPort 0 for any free port`,
    );
  }
  const binding = bindingFor(facts.container.bindings, port);
  if (binding === undefined) {
    return {
      kind: "not_yet",
      why: `ECS names no host port for the container's port ${port}`,
    };
  }
  return onInstance(
    facts,
    () => binding.hostPort + (port - binding.containerPort),
  );
}

/** Docker may publish a port on IPv4 and on IPv6; the instance's address is an IPv4 one. */
function bindingFor(
  bindings: readonly PortBinding[],
  port: number,
): PortBinding | undefined {
  const fitting = bindings.filter(
    ({ containerPort, count, protocol }) =>
      protocol === "tcp" &&
      port >= containerPort &&
      port < containerPort + count,
  );
  return (
    fitting.find(({ bindIp }) => bindIp?.includes(":") !== true) ?? fitting[0]
  );
}

function onInstance(facts: PlaceFacts, port: () => number): Place {
  const { instanceArn } = facts.task;
  if (instanceArn === undefined) {
    return { kind: "not_yet", why: "ECS names no host for the task" };
  }
  if (facts.instance === undefined) {
    return { kind: "instance", arn: instanceArn };
  }
  if (facts.instance === false) {
    throw unknown(
      "neither ECS nor EC2 names a private address for the task's host: is it in EC2, and may the broker ask for it?",
    );
  }
  return dial(facts.instance, port());
}

function dial(host: string, port: number): Place {
  if (!isDialable(host)) {
    throw unknown(
      "the container's address is not a private one, and no other is dialled: move the task into private addresses",
    );
  }
  return { kind: "dial", host, port };
}

function unknown(detail: string): Refusal<"address_unknown"> {
  return new Refusal("address_unknown", detail);
}
