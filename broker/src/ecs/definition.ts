// What a task definition says that we act on. Of the containers' plain environment only the entrypoint's own settings
// are kept: people put passwords there, and what is not held cannot leak.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskDefinition.html

import { ecsName, ShapeError } from "@vaultbuddy/common";
import { parseDefinitionArn } from "./facts.ts";
import { membersOf, openAnswer, optionalList } from "./read.ts";

/** A revision of a task definition, which never changes. */
export interface DefinitionFacts {
  readonly arn: string;
  readonly family: string;
  readonly networkMode: "awsvpc" | "bridge" | "host" | "none" | "other";
  readonly containers: readonly ContainerDefinition[];
}

/** One container of a task definition. */
export interface ContainerDefinition {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  /** WIS_LISTEN in the plain environment. */
  readonly listen: string | undefined;
  /** Whether WIS_PLAINTEXT is exactly `allow`. */
  readonly plaintext: boolean;
  /** Whether a key stands in the plain environment, for everyone who may read task definitions. */
  readonly keyInTheOpen: boolean;
  /** TCP ports with a mapping: the first one and how many in a row. */
  readonly ports: readonly { readonly first: number; readonly count: number }[];
}

/** Parses the answer to DescribeTaskDefinition. Throws {@link ShapeError}. */
export function parseDefinition(answer: unknown): DefinitionFacts {
  const fields = openAnswer(
    openAnswer(answer, "").take("taskDefinition"),
    "taskDefinition",
  );
  const { arn, family } = parseDefinitionArn(
    fields.take("taskDefinitionArn"),
    fields.place("taskDefinitionArn"),
  );
  const mode = fields.optionalText("networkMode", { max: 32 });
  return {
    arn,
    family,
    // Linux tasks on EC2 without a mode are in bridge mode; Fargate knows no task without one.
    networkMode: modes.find((known) => known === (mode ?? "bridge")) ?? "other",
    containers: optionalList(
      fields,
      "containerDefinitions",
      100,
      parseContainer,
    ),
  };
}

const modes = ["awsvpc", "bridge", "host", "none"] as const;

function parseContainer(value: unknown, at: string): ContainerDefinition {
  const fields = openAnswer(value, at);
  const environment = new Map(
    optionalList(fields, "environment", 5000, (item, place) => {
      const pair = openAnswer(item, place);
      const content = pair.take("value");
      return [
        pair.text("name", { max: 65_536 }),
        typeof content === "string" ? content : "",
      ] as const;
    }),
  );
  return {
    name: fields.text("name", ecsName),
    labels: parseLabels(fields.take("dockerLabels"), `${at}.dockerLabels`),
    listen: environment.get("WIS_LISTEN"),
    plaintext: environment.get("WIS_PLAINTEXT") === "allow",
    keyInTheOpen: environment.has("WIS_HMAC_KEY"),
    ports: optionalList(fields, "portMappings", 1000, parsePort).flat(),
  };
}

function parseLabels(value: unknown, at: string): ReadonlyMap<string, string> {
  if (value === undefined) {
    return new Map();
  }
  return new Map(
    membersOf(value, at).map(([name, content]) => {
      if (typeof content !== "string") {
        throw new ShapeError(at, "must hold text only");
      }
      return [name, content];
    }),
  );
}

function parsePort(
  value: unknown,
  at: string,
): { first: number; count: number }[] {
  const fields = openAnswer(value, at);
  if ((fields.optionalText("protocol", { max: 16 }) ?? "tcp") !== "tcp") {
    return [];
  }
  const first = fields.optionalInteger("containerPort", 0, 65_535);
  if (first !== undefined) {
    return [{ first, count: 1 }];
  }
  const text = fields.optionalText("containerPortRange", { max: 16 });
  const [, low, high] = /^(\d{1,5})-(\d{1,5})$/.exec(text ?? "") ?? [];
  return low === undefined || high === undefined
    ? []
    : [{ first: +low, count: +high - +low + 1 }];
}
