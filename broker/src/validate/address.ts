// Where a container listens: the address from ECS and EC2, the port from the rule or the task definition. Only addresses
// inside a network are dialled: loopback, link-local, RFC 1918, unique local (RFC 4193), and the shared space of RFC 6598,
// which AWS hands out as secondary ranges of a VPC. The addresses of metadata services are never a container's.

import { BlockList, isIP } from "node:net";
import { listenAddress, Refusal } from "@vaultbuddy/common";
import type {
  ContainerDefinition,
  DefinitionFacts,
} from "../ecs/definition.ts";
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

const inside = new BlockList();
inside.addSubnet("10.0.0.0", 8);
inside.addSubnet("172.16.0.0", 12);
inside.addSubnet("192.168.0.0", 16);
inside.addSubnet("100.64.0.0", 10);
inside.addSubnet("127.0.0.0", 8);
inside.addSubnet("169.254.0.0", 16);
const inside6 = new BlockList();
inside6.addAddress("::1", "ipv6");
inside6.addSubnet("fc00::", 7, "ipv6");
inside6.addSubnet("fe80::", 10, "ipv6");
const metadata = new BlockList();
// Instance metadata, its time and name services, and the credentials of ECS and EKS.
metadata.addSubnet("169.254.169.0", 24);
metadata.addSubnet("169.254.170.0", 24);
metadata.addSubnet("fd00:ec2::", 32, "ipv6");

/** Whether the broker may dial an address. */
export function isDialable(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return inside.check(address) && !metadata.check(address);
    case 6:
      // An IPv4 address in IPv6's clothes is written neither by ECS nor by EC2.
      return (
        !/^::ffff:/i.test(address) &&
        inside6.check(address, "ipv6") &&
        !metadata.check(address, "ipv6")
      );
    default:
      return false;
  }
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
