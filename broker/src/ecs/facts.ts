// What ECS says of a task, parsed strictly from DescribeTasks. Read from the raw JSON and not from the SDK's objects:
// those leave out members the SDK does not know yet, and an override this release has never heard of must still count.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html

import { ecsName, parseTaskArn, ShapeError } from "@vaultbuddy/common";
import type { Fields } from "@vaultbuddy/common";
import { membersOf, openAnswer, optionalList, optionalTime } from "./read.ts";

/** A task as ECS has it. Times in milliseconds since 1970; what ECS left out is undefined. */
export interface TaskFacts {
  /** As ECS spells it. */
  readonly taskArn: string;
  readonly clusterArn: string;
  readonly definition: DefinitionArn;
  readonly desiredStatus: string;
  readonly lastStatus: string;
  readonly launchType: string | undefined;
  readonly group: string | undefined;
  readonly startedBy: string | undefined;
  readonly createdAt: number | undefined;
  readonly pullStoppedAt: number | undefined;
  readonly startedAt: number | undefined;
  /** The host, unless it is Fargate. */
  readonly instanceArn: string | undefined;
  /** Whether a shell can be opened in it (ECS Exec). */
  readonly exec: boolean;
  /** The places of everything RunTask was given to override, such as `containerOverrides[web].command`. */
  readonly overrides: readonly string[];
  /** The task's own network interface, when it has one. */
  readonly eni: string | undefined;
  readonly containers: readonly ContainerFacts[];
}

/** One container of a task. */
export interface ContainerFacts {
  readonly name: string;
  readonly lastStatus: string;
  readonly runtimeId: string | undefined;
  readonly image: string | undefined;
  readonly imageDigest: string | undefined;
  /** Private addresses of its interfaces, the IPv4 one of each first. */
  readonly addresses: readonly string[];
  readonly bindings: readonly PortBinding[];
}

/** Ports of a container on its host: `count` ports in a row. */
export interface PortBinding {
  readonly containerPort: number;
  readonly hostPort: number;
  readonly count: number;
  readonly protocol: string;
  /** The address of the host it is bound to; has colons for IPv6. */
  readonly bindIp: string | undefined;
}

/** A task definition's ARN, taken apart. */
export interface DefinitionArn {
  readonly arn: string;
  readonly account: string;
  readonly family: string;
}

const DEFINITION =
  /^arn:aws[a-z-]{0,20}:ecs:[a-z0-9-]{1,30}:([0-9]{12}):task-definition\/([A-Za-z0-9_-]{1,255}):[0-9]{1,10}$/;
const WORD = {
  max: 64,
  pattern: /^[A-Z][A-Z0-9_]*$/,
  form: "a word in capitals",
};
const SHORT = { max: 1024 };

/** Parses a task definition's ARN. Throws {@link ShapeError}. */
export function parseDefinitionArn(value: unknown, at: string): DefinitionArn {
  const [arn, account, family] =
    typeof value === "string" ? (DEFINITION.exec(value) ?? []) : [];
  if (arn === undefined || account === undefined || family === undefined) {
    throw new ShapeError(at, "must be a task definition's ARN");
  }
  return { arn, account, family };
}

/** Parses one member of `tasks`. Throws {@link ShapeError}. */
export function parseTask(value: unknown, at = "task"): TaskFacts {
  const fields = openAnswer(value, at);
  const containers = optionalList(fields, "containers", 100, parseContainer);
  if (new Set(containers.map(({ name }) => name)).size < containers.length) {
    throw new ShapeError(fields.place("containers"), "must have names once");
  }
  return {
    taskArn: parseTaskArn(fields.take("taskArn"), fields.place("taskArn")).arn,
    clusterArn: fields.text("clusterArn", SHORT),
    definition: parseDefinitionArn(
      fields.take("taskDefinitionArn"),
      fields.place("taskDefinitionArn"),
    ),
    desiredStatus: fields.text("desiredStatus", WORD),
    lastStatus: fields.text("lastStatus", WORD),
    launchType: fields.optionalText("launchType", WORD),
    group: fields.optionalText("group", SHORT),
    startedBy: fields.optionalText("startedBy", SHORT),
    createdAt: optionalTime(fields, "createdAt"),
    pullStoppedAt: optionalTime(fields, "pullStoppedAt"),
    startedAt: optionalTime(fields, "startedAt"),
    instanceArn: fields.optionalText("containerInstanceArn", SHORT),
    exec: fields.optionalBoolean("enableExecuteCommand") ?? false,
    overrides: parseOverrides(fields.take("overrides")),
    eni: eniAddress(fields),
    containers,
  };
}

function parseContainer(value: unknown, at: string): ContainerFacts {
  const fields = openAnswer(value, at);
  return {
    name: fields.text("name", ecsName),
    lastStatus: fields.text("lastStatus", WORD),
    runtimeId: fields.optionalText("runtimeId", { max: 128 }),
    image: fields.optionalText("image", SHORT),
    imageDigest: fields.optionalText("imageDigest", SHORT),
    addresses: optionalList(fields, "networkInterfaces", 50, (item, place) => {
      const nic = openAnswer(item, place);
      return [
        nic.optionalText("privateIpv4Address", { max: 64 }),
        nic.optionalText("ipv6Address", { max: 64 }),
      ].filter((address) => address !== undefined);
    }).flat(),
    bindings: optionalList(fields, "networkBindings", 1000, parseBinding)
      // A binding without a port on both sides says nothing that could be dialled.
      .filter((binding) => binding !== undefined),
  };
}

function parseBinding(value: unknown, at: string): PortBinding | undefined {
  const fields = openAnswer(value, at);
  const rest = {
    protocol: fields.optionalText("protocol", { max: 16 }) ?? "tcp",
    bindIp: fields.optionalText("bindIP", { max: 64 }),
  };
  const inner = range(fields, "containerPort");
  const outer = range(fields, "hostPort");
  if (inner === undefined || outer?.count !== inner.count) {
    return undefined;
  }
  return {
    containerPort: inner.first,
    hostPort: outer.first,
    count: inner.count,
    ...rest,
  };
}

/** Either `containerPort: 80` or `containerPortRange: "80-89"`, and the same for the host. */
function range(
  fields: Fields,
  name: "containerPort" | "hostPort",
): { first: number; count: number } | undefined {
  const single = fields.optionalInteger(name, 0, 65_535);
  if (single !== undefined) {
    return single === 0 ? undefined : { first: single, count: 1 };
  }
  const text = fields.optionalText(`${name}Range`, { max: 16 });
  const [, first, last] = /^(\d{1,5})-(\d{1,5})$/.exec(text ?? "") ?? [];
  return first === undefined || last === undefined || +last < +first
    ? undefined
    : { first: +first, count: +last - +first + 1 };
}

/** The IPv4 address of the task's elastic network interface, else its IPv6 one. */
function eniAddress(fields: Fields): string | undefined {
  const details = optionalList(fields, "attachments", 100, (value, at) => {
    const attachment = openAnswer(value, at);
    return attachment.optionalText("type", { max: 64 }) ===
      "ElasticNetworkInterface"
      ? optionalList(attachment, "details", 100, openAnswer)
      : [];
  }).flat();
  const named = (name: string): string | undefined =>
    details
      .find((detail) => detail.take("name") === name)
      ?.optionalText("value", { max: 64 });
  return named("privateIPv4Address") ?? named("privateIPv6Address");
}

/**
 * ECS lists every container of an overridden or plain task as a bare name, and empty lists besides; anything that is
 * neither was given to RunTask, whether or not this release knows the member.
 */
function parseOverrides(value: unknown): string[] {
  if (isEmpty(value)) {
    return [];
  }
  return membersOf(value, "overrides").flatMap(([member, content]) => {
    if (isEmpty(content)) {
      return [];
    }
    return member === "containerOverrides" && Array.isArray(content)
      ? content.flatMap(containerOverrides)
      : [shown(member)];
  });
}

function containerOverrides(value: unknown, index: number): string[] {
  const members = membersOf(value, `overrides.containerOverrides[${index}]`);
  const name = members.find(([member]) => member === "name")?.[1];
  const whose = typeof name === "string" ? shown(name) : String(index);
  return members
    .filter(([member, content]) => member !== "name" && !isEmpty(content))
    .map(([member]) => `containerOverrides[${whose}].${shown(member)}`);
}

function isEmpty(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === "" ||
    (typeof value === "object" && Object.keys(value).length === 0)
  );
}

function shown(name: string): string {
  return /^[\w-]{1,64}$/.test(name) ? name : "(unprintable)";
}
