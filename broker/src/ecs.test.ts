import {
  isNoticeRefusal,
  parseClusterArn,
  parseTaskArn,
} from "@vaultbuddy/common";
import type { TaskArn } from "@vaultbuddy/common";
import { ManualClock } from "@vaultbuddy/common/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AwsAnswer, AwsCalls } from "./ecs/aws.ts";
import { parseDefinition } from "./ecs/definition.ts";
import { parseTask } from "./ecs/facts.ts";
import { AwsFault } from "./ecs/fault.ts";
import { openEcs } from "./ecs.ts";
import type { EcsProvider, TaskLookup } from "./ecs.ts";

const cluster = parseClusterArn(
  "arn:aws:ecs:eu-west-1:123456789012:cluster/prod",
);
const DEFINITION = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:7";
const HOST = "arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/0123";

function taskArn(id: number | string): TaskArn {
  const hex = typeof id === "number" ? id.toString(16).padStart(32, "0") : id;
  return parseTaskArn(`arn:aws:ecs:eu-west-1:123456789012:task/prod/${hex}`);
}

function rawTask(arn: string): Record<string, unknown> {
  return {
    taskArn: arn,
    clusterArn: cluster.arn,
    taskDefinitionArn: DEFINITION,
    desiredStatus: "RUNNING",
    lastStatus: "RUNNING",
    containers: [],
  };
}

/** A fake AWS: it knows the tasks it is given, and counts. */
class FakeAws implements AwsCalls {
  readonly known = new Set<string>();
  readonly asked: { operation: string; keys: readonly string[] }[] = [];
  answers: {
    tasks?: (arns: readonly string[]) => unknown;
    definition?: (arn: string) => unknown;
    containerInstances?: (arns: readonly string[]) => unknown;
    instances?: (ids: readonly string[]) => unknown;
  } = {};

  async describeTasks(_: string, arns: readonly string[]): Promise<AwsAnswer> {
    const body = this.answers.tasks?.(arns) ?? {
      tasks: arns.filter((arn) => this.known.has(arn)).map(rawTask),
      failures: arns
        .filter((arn) => !this.known.has(arn))
        .map((arn) => ({ arn, reason: "MISSING" })),
    };
    return await this.#count("DescribeTasks", arns, body);
  }

  async describeTaskDefinition(arn: string): Promise<AwsAnswer> {
    const body = this.answers.definition?.(arn) ?? {
      taskDefinition: { taskDefinitionArn: arn },
    };
    return await this.#count("DescribeTaskDefinition", [arn], body);
  }

  async describeContainerInstances(
    _: string,
    arns: readonly string[],
  ): Promise<AwsAnswer> {
    const body = this.answers.containerInstances?.(arns) ?? {
      containerInstances: arns.map((arn) => ({
        containerInstanceArn: arn,
        ec2InstanceId: "i-0123456789abcdef0",
      })),
    };
    return await this.#count("DescribeContainerInstances", arns, body);
  }

  async describeInstances(ids: readonly string[]): Promise<unknown> {
    const body = this.answers.instances?.(ids) ?? {
      Reservations: [
        {
          Instances: ids.map((id) => ({
            InstanceId: id,
            PrivateIpAddress: "10.0.0.9",
          })),
        },
      ],
    };
    return (await this.#count("DescribeInstances", ids, body)).body;
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }

  async #count(
    operation: string,
    keys: readonly string[],
    body: unknown,
  ): Promise<AwsAnswer> {
    this.asked.push({ operation, keys });
    await Promise.resolve();
    if (body instanceof Error) {
      throw body;
    }
    return { body, date: 1_800_000_000_000 };
  }

  count(operation: string): number {
    return this.asked.filter((one) => one.operation === operation).length;
  }
}

function open(): { clock: ManualClock; aws: FakeAws; ecs: EcsProvider } {
  const clock = new ManualClock(0);
  const aws = new FakeAws();
  return { clock, aws, ecs: openEcs({ clock, calls: () => aws }) };
}

const lookup: TaskLookup = {
  source: "agent",
  patience: 0,
  missing: false,
  signal: new AbortController().signal,
};

/** Lets a lookup run in manual time and gives its outcome. */
async function outcome<Value>(
  clock: ManualClock,
  work: Promise<Value>,
  ms = 2000,
): Promise<Value | string> {
  const settled = work.catch((error: unknown) => {
    if (isNoticeRefusal(error)) {
      return error.code;
    }
    throw error;
  });
  await clock.advance(ms);
  return await settled;
}

describe("a task", () => {
  test("that exists is found, with ECS's own time", async () => {
    const { clock, aws, ecs } = open();
    aws.known.add(taskArn(1).arn);
    expect(
      await outcome(clock, ecs.task(cluster, taskArn(1), lookup)),
    ).toMatchObject({
      kind: "found",
      asOf: 1_800_000_000_000,
      task: { taskArn: taskArn(1).arn, definition: { family: "web" } },
    });
  });

  test("that does not exist is missing, and for a moment so without asking", async () => {
    const { clock, aws, ecs } = open();
    const ask = async (missing = false): Promise<unknown> =>
      await outcome(
        clock,
        ecs.task(cluster, taskArn(1), { ...lookup, missing }),
        50,
      );
    expect(await ask()).toEqual({ kind: "missing" });
    expect(await ask()).toEqual({ kind: "missing" });
    expect(aws.count("DescribeTasks")).toBe(1);
    aws.known.add(taskArn(1).arn);
    expect(await ask(true)).toMatchObject({ kind: "found" });
    expect(aws.count("DescribeTasks")).toBe(2);
    expect(await ask()).toMatchObject({ kind: "found" });
    expect(aws.count("DescribeTasks")).toBe(3);
  });

  test("in a cluster that does not exist is missing", async () => {
    const { clock, aws, ecs } = open();
    aws.answers.tasks = () => new AwsFault("DescribeTasks", "no_cluster");
    expect(await outcome(clock, ecs.task(cluster, taskArn(1), lookup))).toEqual(
      { kind: "missing" },
    );
  });

  test("whose ARN ECS spells otherwise is found, and its spelling told", async () => {
    const { clock, aws, ecs } = open();
    aws.known.add(taskArn(1).arn);
    aws.answers.tasks = () => ({ tasks: [rawTask(taskArn(1).arn)] });
    const old = parseTaskArn(taskArn(1).arn.replace("/prod/", "/"));
    expect(await outcome(clock, ecs.task(cluster, old, lookup))).toMatchObject({
      kind: "found",
      task: { taskArn: taskArn(1).arn },
    });
  });

  test("has members that are empty or null where they could be absent", async () => {
    const { clock, aws, ecs } = open();
    aws.answers.tasks = () => ({
      tasks: [
        {
          ...rawTask(taskArn(1).arn),
          startedBy: "",
          group: null,
          overrides: null,
        },
      ],
    });
    expect(
      await outcome(clock, ecs.task(cluster, taskArn(1), lookup)),
    ).toMatchObject({ kind: "found", task: { overrides: [] } });
  });

  test("with an id that is none is missing without asking, so that it spoils nobody's call", async () => {
    const { clock, aws, ecs } = open();
    expect(
      await outcome(clock, ecs.task(cluster, taskArn("-".repeat(36)), lookup)),
    ).toEqual({ kind: "missing" });
    expect(aws.asked).toEqual([]);
  });

  test.each<[string, unknown]>([
    ["is no object", []],
    ["is a text", "tasks"],
    ["says nothing of it", { tasks: [], failures: [] }],
    ["speaks of another task", { tasks: [rawTask(taskArn(2).arn)] }],
    [
      "has it as a failure of another kind",
      { failures: [{ arn: taskArn(1).arn, reason: "ACCESS" }] },
    ],
    [
      "has it malformed",
      { tasks: [{ ...rawTask(taskArn(1).arn), startedAt: "yesterday" }] },
    ],
    [
      "has a container twice",
      {
        tasks: [
          {
            ...rawTask(taskArn(1).arn),
            containers: [
              { name: "a", lastStatus: "RUNNING" },
              { name: "a", lastStatus: "RUNNING" },
            ],
          },
        ],
      },
    ],
    ["is throttled", new AwsFault("DescribeTasks", "throttled")],
    ["is a failure", new AwsFault("DescribeTasks", "server")],
    ["is a refusal", new AwsFault("DescribeTasks", "denied")],
    ["does not come", new AwsFault("DescribeTasks", "timeout")],
    ["is HTML", new AwsFault("DescribeTasks", "malformed")],
  ])("is not missing but unavailable when the answer %s", async (_, body) => {
    const { clock, aws, ecs } = open();
    aws.answers.tasks = () => body;
    expect(await outcome(clock, ecs.task(cluster, taskArn(1), lookup))).toBe(
      "ecs_unavailable",
    );
  });

  test("that comes back malformed spoils no other answer of the call", async () => {
    const { clock, aws, ecs } = open();
    aws.answers.tasks = () => ({
      tasks: [
        { ...rawTask(taskArn(1).arn), containers: "none" },
        rawTask(taskArn(2).arn),
      ],
    });
    const answers = Promise.all([
      ecs.task(cluster, taskArn(1), lookup).catch(() => "failed"),
      ecs.task(cluster, taskArn(2), lookup),
    ]);
    expect(await outcome(clock, answers)).toMatchObject([
      "failed",
      { kind: "found" },
    ]);
    expect(aws.count("DescribeTasks")).toBe(1);
  });

  test("a thousand at once are ten calls", async () => {
    const { clock, aws, ecs } = open();
    const arns = Array.from({ length: 1000 }, (_, i) => taskArn(i));
    arns.forEach(({ arn }) => aws.known.add(arn));
    await outcome(
      clock,
      Promise.all(arns.map((arn) => ecs.task(cluster, arn, lookup))),
    );
    expect(aws.count("DescribeTasks")).toBe(10);
  });
});

describe("a task definition", () => {
  test("is asked for once, however many want it", async () => {
    const { clock, aws, ecs } = open();
    const ask = Promise.all([
      ecs.definition(cluster, DEFINITION, lookup),
      ecs.definition(cluster, DEFINITION, lookup),
    ]);
    expect(await outcome(clock, ask)).toMatchObject([
      { arn: DEFINITION },
      { arn: DEFINITION },
    ]);
    await ecs.definition(cluster, DEFINITION, lookup);
    expect(aws.count("DescribeTaskDefinition")).toBe(1);
  });

  test.each<[string, unknown]>([
    [
      "another one",
      { taskDefinition: { taskDefinitionArn: `${DEFINITION}1` } },
    ],
    ["none", {}],
    ["a failure", new AwsFault("DescribeTaskDefinition", "invalid")],
  ])(
    "that comes as %s is unavailable, and is asked for again",
    async (_, body) => {
      const { clock, aws, ecs } = open();
      aws.answers.definition = () => body;
      const ask = (): Promise<unknown> =>
        outcome(clock, ecs.definition(cluster, DEFINITION, lookup));
      expect(await ask()).toBe("ecs_unavailable");
      aws.answers = {};
      expect(await ask()).toMatchObject({ arn: DEFINITION });
    },
  );
});

describe("a host's address", () => {
  test("comes from ECS and EC2 and is remembered", async () => {
    const { clock, aws, ecs } = open();
    const ask = (): Promise<unknown> =>
      outcome(clock, ecs.instanceAddress(cluster, HOST, lookup), 100);
    expect(await ask()).toBe("10.0.0.9");
    expect(await ask()).toBe("10.0.0.9");
    expect(aws.asked).toHaveLength(2);
    await clock.advance(11 * 60_000);
    expect(await ask()).toBe("10.0.0.9");
    expect(aws.asked).toHaveLength(4);
  });

  test("of a hundred hosts is two calls", async () => {
    const { clock, aws, ecs } = open();
    aws.answers.containerInstances = (arns) => ({
      containerInstances: arns.map((arn, index) => ({
        containerInstanceArn: arn,
        ec2InstanceId: `i-${String(index).padStart(17, "0")}`,
      })),
    });
    const hosts = Array.from({ length: 100 }, (_, i) => `${HOST}${i}`);
    await outcome(
      clock,
      Promise.all(hosts.map((h) => ecs.instanceAddress(cluster, h, lookup))),
    );
    expect(aws.asked).toHaveLength(2);
  });

  test.each<[string, FakeAws["answers"]]>([
    [
      "ECS does not know",
      {
        containerInstances: (arns) => ({
          failures: arns.map((arn) => ({ arn, reason: "MISSING" })),
        }),
      },
    ],
    [
      "is not in EC2",
      {
        containerInstances: (arns) => ({
          containerInstances: arns.map((arn) => ({
            containerInstanceArn: arn,
            ec2InstanceId: "mi-0123456789abcdef0",
          })),
        }),
      },
    ],
    ["EC2 does not know", { instances: () => ({ Reservations: [] }) }],
    [
      "EC2 does not know and says so by failing",
      {
        instances: () =>
          new AwsFault(
            "DescribeInstances",
            "invalid",
            "InvalidInstanceID.NotFound",
          ),
      },
    ],
    [
      "has no private address",
      {
        instances: (ids) => ({
          Reservations: [{ Instances: ids.map((id) => ({ InstanceId: id })) }],
        }),
      },
    ],
  ])("that %s is unknown, and is asked for again", async (_, answers) => {
    const { clock, aws, ecs } = open();
    aws.answers = answers;
    const ask = (): Promise<unknown> =>
      outcome(clock, ecs.instanceAddress(cluster, HOST, lookup), 100);
    expect(await ask()).toBeUndefined();
    aws.answers = {};
    expect(await ask()).toBe("10.0.0.9");
  });

  test("one host that has gone spoils no other's address", async () => {
    const { clock, aws, ecs } = open();
    aws.answers.containerInstances = (arns) => ({
      containerInstances: arns.map((arn, index) => ({
        containerInstanceArn: arn,
        ec2InstanceId: `i-0000000${index}`,
      })),
    });
    aws.answers.instances = (ids) =>
      ids.includes("i-00000002")
        ? new AwsFault(
            "DescribeInstances",
            "invalid",
            "InvalidInstanceID.NotFound",
          )
        : {
            Reservations: ids.map((id) => ({
              Instances: [
                { InstanceId: id, PrivateIpAddress: `10.0.0.${id.slice(-1)}` },
              ],
            })),
          };
    const hosts = Array.from({ length: 5 }, (_, i) => `${HOST}${i}`);
    expect(
      await outcome(
        clock,
        Promise.all(hosts.map((h) => ecs.instanceAddress(cluster, h, lookup))),
      ),
    ).toEqual(["10.0.0.0", "10.0.0.1", undefined, "10.0.0.3", "10.0.0.4"]);
  });

  test.each<[string, FakeAws["answers"]]>([
    [
      "ECS fails",
      {
        containerInstances: () =>
          new AwsFault("DescribeContainerInstances", "denied"),
      },
    ],
    [
      "ECS answers nonsense",
      { containerInstances: () => ({ containerInstances: [{}] }) },
    ],
    [
      "EC2 fails",
      { instances: () => new AwsFault("DescribeInstances", "denied") },
    ],
    [
      "EC2 answers nonsense",
      {
        instances: () => ({
          Reservations: [{ Instances: [{ InstanceId: 7 }] }],
        }),
      },
    ],
  ])("is unavailable when %s", async (_, answers) => {
    const { clock, aws, ecs } = open();
    aws.answers = answers;
    expect(
      await outcome(clock, ecs.instanceAddress(cluster, HOST, lookup)),
    ).toBe("ecs_unavailable");
  });
});

test("a lookup that is no longer wanted ends with its signal's reason", async () => {
  const { ecs } = open();
  const gone = new AbortController();
  const answer = ecs.task(cluster, taskArn(1), {
    ...lookup,
    signal: gone.signal,
  });
  gone.abort(new Error("left"));
  await expect(answer).rejects.toThrow("left");
});

test("after closing everything is unavailable", async () => {
  const { clock, ecs } = open();
  const waiting = outcome(clock, ecs.task(cluster, taskArn(1), lookup), 0);
  await ecs.close();
  expect(await waiting).toBe("ecs_unavailable");
});

test("whatever stands where a task or a definition should, it is read or refused by name", () => {
  const shape = { name: "ShapeError" };
  const reads = (work: () => unknown): void => {
    try {
      work();
    } catch (error) {
      expect(error).toMatchObject(shape);
    }
  };
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.constantFrom(
        ...Object.keys(rawTask("x")),
        "overrides",
        "attachments",
        "startedAt",
        "enableExecuteCommand",
      ),
      (value, member) => {
        reads(() => parseTask(value));
        reads(() => parseTask({ ...rawTask(taskArn(1).arn), [member]: value }));
        reads(() =>
          parseTask({
            ...rawTask(taskArn(1).arn),
            containers: [
              {
                name: "a",
                lastStatus: "RUNNING",
                networkBindings: [value],
                networkInterfaces: [value],
              },
            ],
          }),
        );
        reads(() =>
          parseTask({
            ...rawTask(taskArn(1).arn),
            overrides: { containerOverrides: [value] },
          }),
        );
        reads(() =>
          parseDefinition({
            taskDefinition: {
              taskDefinitionArn: DEFINITION,
              containerDefinitions: [
                {
                  name: "a",
                  environment: value,
                  portMappings: value,
                  dockerLabels: value,
                },
              ],
            },
          }),
        );
        reads(() => parseDefinition(value));
      },
    ),
  );
});
