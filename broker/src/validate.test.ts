import { isNoticeRefusal, parseNotice, Refusal } from "@vaultbuddy/common";
import { ManualClock } from "@vaultbuddy/common/testing";
import { describe, expect, test } from "vitest";
import { parseDefinition } from "./ecs/definition.ts";
import type { DefinitionFacts } from "./ecs/definition.ts";
import { parseTask } from "./ecs/facts.ts";
import type { EcsProvider, TaskAnswer, TaskLookup } from "./ecs.ts";
import { loadPolicy } from "./policy.ts";
import { parseClusterPattern, vouch } from "./validate.ts";
import type { JudgeOptions, VouchCall, Vouched } from "./validate.ts";

const CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/prod";
const TASK = `arn:aws:ecs:eu-west-1:123456789012:task/prod/${"a".repeat(32)}`;
const DEFINITION = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:7";
const HOST = "arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/0123";
const RUNTIME = "f".repeat(64);

const notice = parseNotice(
  Buffer.from(
    JSON.stringify({
      taskArn: TASK,
      cluster: CLUSTER,
      containerName: "app",
      containerId: RUNTIME,
    }),
  ),
);

const options: JudgeOptions = {
  clusters: [parseClusterPattern(CLUSTER)],
  taskLife: 120_000,
  pendingLife: 600_000,
  requireState: "container",
  optInLabel: { name: "vaultbuddy.enable", value: "true" },
  entrypointPort: 9202,
};

type Json = Record<string, unknown>;

/** A fake ECS: what it says of the task depends on how long it has run, in milliseconds of manual time. */
class FakeEcs implements Pick<
  EcsProvider,
  "task" | "definition" | "instanceAddress"
> {
  readonly lookups: TaskLookup[] = [];
  readonly clock: ManualClock;
  readonly #start: number;
  readonly #says: (elapsed: number) => Json | "missing" | "hang" | Error;
  mode = "bridge";
  definitions = 0;
  addresses = 0;

  constructor(
    clock: ManualClock,
    says: (elapsed: number) => Json | "missing" | "hang" | Error,
  ) {
    this.clock = clock;
    this.#start = clock.monotonic();
    this.#says = says;
  }

  async task(_: unknown, __: unknown, lookup: TaskLookup): Promise<TaskAnswer> {
    this.lookups.push(lookup);
    await this.clock.sleep(5, lookup.signal);
    const said = this.#says(this.clock.monotonic() - this.#start);
    if (said instanceof Error) {
      throw said;
    }
    if (said === "hang") {
      await this.clock.sleep(1e9, lookup.signal);
    }
    if (typeof said === "string") {
      return { kind: "missing" };
    }
    const now = this.clock.now();
    return { kind: "found", asOf: now, task: parseTask(this.#task(said, now)) };
  }

  async definition(): Promise<DefinitionFacts> {
    this.definitions += 1;
    return await Promise.resolve(
      parseDefinition({
        taskDefinition: {
          taskDefinitionArn: DEFINITION,
          networkMode: this.mode,
          containerDefinitions: [
            {
              name: "app",
              dockerLabels: {
                "vaultbuddy.enable": "true",
                "vaultbuddy.secrets": "secret/label",
              },
              portMappings: [{ containerPort: 9202 }],
            },
          ],
        },
      }),
    );
  }

  async instanceAddress(): Promise<string | undefined> {
    this.addresses += 1;
    return await Promise.resolve("10.0.0.9");
  }

  #task(change: Json, now: number): Json {
    return {
      taskArn: TASK,
      clusterArn: CLUSTER,
      taskDefinitionArn: DEFINITION,
      desiredStatus: "RUNNING",
      lastStatus: "RUNNING",
      startedAt: now / 1000 - 1,
      containerInstanceArn: HOST,
      containers: [
        {
          name: "app",
          lastStatus: "RUNNING",
          runtimeId: RUNTIME,
          networkBindings: [{ containerPort: 9202, hostPort: 40_000 }],
          ...(change["container"] as Json | undefined),
        },
      ],
      ...change,
      container: undefined,
    };
  }
}

interface Setup {
  readonly says?: (elapsed: number) => Json | "missing" | "hang" | Error;
  readonly call?: Partial<VouchCall>;
  readonly policy?: Json;
  readonly deadline?: number;
}

/** Vouches in manual time: what came out, after how many milliseconds. */
async function run(setup: Setup = {}) {
  const clock = new ManualClock();
  const start = clock.monotonic();
  const ecs = new FakeEcs(clock, setup.says ?? (() => ({})));
  const policy = loadPolicy(
    JSON.stringify(setup.policy ?? { web: { secrets: ["secret/rule"] } }),
    "x",
  );
  let took = 0;
  const outcome: Promise<Vouched | Refusal<"bad_request">> = vouch(
    notice,
    { ecs, policy, clock, options },
    {
      source: "192.0.2.1",
      deadline: start + (setup.deadline ?? 90_000),
      signal: new AbortController().signal,
      standing: async () => await Promise.resolve({ restartOf: false }),
      ...setup.call,
    },
  )
    .catch((error: unknown) => error as Refusal<"bad_request">)
    .finally(() => {
      took = clock.monotonic() - start;
    });
  await clock.advance(100_000);
  const result = await outcome;
  const code = isNoticeRefusal(result) ? result.code : "vouched";
  return { result, code, took, ecs, clock };
}

describe("a container that is as it should be", () => {
  test("is vouched for with all that the flow needs", async () => {
    const { result } = await run();
    expect(result).toMatchObject({
      taskArn: TASK,
      clusterArn: CLUSTER,
      account: "123456789012",
      family: "web",
      containerName: "app",
      containerId: RUNTIME,
      rule: { pattern: "web" },
      dial: { host: "10.0.0.9", port: 40_000 },
      plain: false,
      secrets: { paths: ["secret/rule", "secret/label"] },
    });
  });

  test("leaves no timer behind", async () => {
    const { clock } = await run();
    expect(clock.sleeping).toBe(0);
  });

  test("is asked for on behalf of its agent, at first without patience", async () => {
    const { ecs } = await run();
    expect(ecs.lookups).toMatchObject([
      { source: "192.0.2.1", patience: 0, missing: false },
    ]);
  });
});

describe("before AWS", () => {
  test("a cluster that is not on the list is refused, and neither ledger nor ECS is asked", async () => {
    const clock = new ManualClock();
    const ecs = new FakeEcs(clock, () => ({}));
    let asked = 0;
    const policy = loadPolicy("{}", "x");
    const refused = vouch(
      notice,
      { ecs, policy, clock, options: { ...options, clusters: [] } },
      {
        source: "x",
        deadline: clock.monotonic() + 1000,
        signal: new AbortController().signal,
        standing: async () => {
          asked += 1;
          return await Promise.resolve({ restartOf: false });
        },
      },
    );
    await expect(refused).rejects.toMatchObject({
      code: "cluster_not_allowed",
    });
    expect([asked, ecs.lookups.length]).toEqual([0, 0]);
  });

  test("what the ledger refuses is refused, and ECS is not asked", async () => {
    const { code, ecs } = await run({
      call: {
        standing: async () => {
          await Promise.resolve();
          throw new Refusal("already_delivered", "it has one");
        },
      },
    });
    expect([code, ecs.lookups.length]).toEqual(["already_delivered", 0]);
  });

  test("a restart whose rule allows it is not asked for its age", async () => {
    const old = (): Json => ({ startedAt: 1_600_000_000 });
    const restartOf = async (): Promise<{ restartOf: boolean }> =>
      await Promise.resolve({ restartOf: true });
    const policy = { web: { restart: { max: 1 } } };
    expect((await run({ says: old, policy })).code).toBe("task_too_old");
    expect(
      (await run({ says: old, policy, call: { standing: restartOf } })).code,
    ).toBe("vouched");
    expect((await run({ says: old, call: { standing: restartOf } })).code).toBe(
      "already_delivered",
    );
  });
});

describe("not yet", () => {
  const pending: Json = {
    lastStatus: "PENDING",
    startedAt: undefined,
    createdAt: 1_900_000_000,
  };

  test("a task that comes up is vouched for soon after", async () => {
    const { code, took, ecs } = await run({
      says: (elapsed) =>
        elapsed < 3000 ? { container: { lastStatus: "PENDING" } } : {},
    });
    expect(code).toBe("vouched");
    expect(took).toBeGreaterThanOrEqual(3000);
    expect(took).toBeLessThan(4100);
    expect(ecs.lookups.length).toBeLessThan(10);
    expect(ecs.lookups.slice(1).every(({ patience }) => patience > 0)).toBe(
      true,
    );
  });

  test("what the verdict will need is looked up while waiting, and once", async () => {
    const { ecs } = await run({
      says: (elapsed) => ({
        container: { lastStatus: elapsed < 3000 ? "PENDING" : "RUNNING" },
      }),
      policy: { web: {} },
    });
    // Once to prepare and once for the verdict: the provider remembers.
    expect([ecs.definitions, ecs.addresses]).toEqual([2, 2]);
    const unruled = await run({
      says: () => ({ container: { lastStatus: "PENDING" } }),
      policy: {},
    });
    expect([unruled.ecs.definitions, unruled.ecs.addresses]).toEqual([0, 0]);
  });

  test("a task that is MISSING at first is found when it appears, on the small bucket", async () => {
    const { code, took, ecs } = await run({
      says: (elapsed) => (elapsed < 2000 ? "missing" : {}),
    });
    expect(code).toBe("vouched");
    expect(took).toBeLessThan(3100);
    expect(ecs.lookups.map(({ missing }) => missing)).toEqual([
      false,
      ...ecs.lookups.slice(1).map(() => true),
    ]);
  });

  test("a task that stays MISSING is refused after 5 s", async () => {
    const { code, took } = await run({ says: () => "missing" });
    expect(code).toBe("task_not_found");
    expect(took).toBeGreaterThanOrEqual(5000);
    expect(took).toBeLessThan(5100);
  });

  test.each<[string, (elapsed: number) => Json | "missing" | "hang", string]>([
    [
      "the container does not run",
      () => ({ container: { lastStatus: "PENDING" } }),
      "task_not_running",
    ],
    [
      "the task is PROVISIONING",
      () => ({ ...pending, lastStatus: "PROVISIONING" }),
      "task_not_running",
    ],
    [
      "the runtime id is not named",
      () => ({ container: { runtimeId: undefined } }),
      "task_not_running",
    ],
    [
      "no port is named",
      () => ({ container: { networkBindings: [] } }),
      "address_unknown",
    ],
    [
      "no host is named",
      () => ({ containerInstanceArn: undefined }),
      "address_unknown",
    ],
    ["ECS does not answer", () => "hang", "ecs_unavailable"],
    [
      "ECS stops answering",
      (elapsed) =>
        elapsed < 1000 ? { container: { lastStatus: "PENDING" } } : "hang",
      "ecs_unavailable",
    ],
  ])("until the deadline: %s", async (_, says, code) => {
    const outcome = await run({ says, deadline: 10_000 });
    expect(outcome.code).toBe(code);
    expect(outcome.took).toBe(10_000);
    expect(outcome.clock.sleeping).toBe(0);
  });

  test("a MISSING task whose deadline comes before the 5 s is not found", async () => {
    const { code, took } = await run({ says: () => "missing", deadline: 2000 });
    expect([code, took]).toEqual(["task_not_found", 2000]);
  });

  test("a deadline that has passed ends at once", async () => {
    const { code } = await run({ deadline: -1 });
    expect(code).toBe("ecs_unavailable");
  });

  test("what becomes clear while waiting ends the waiting", async () => {
    const { code, took } = await run({
      says: (elapsed) => ({
        container: { lastStatus: elapsed < 2000 ? "PENDING" : "STOPPED" },
      }),
    });
    expect(code).toBe("task_not_running");
    expect(took).toBeLessThan(3100);
  });

  test("an answer that is none ends it: the notice may be repeated", async () => {
    const { code } = await run({
      says: () => new Refusal("ecs_unavailable", "throttled"),
    });
    expect(code).toBe("ecs_unavailable");
  });

  test("the broker's stop ends it with the stop's own reason", async () => {
    const stop = new AbortController();
    const { result } = await run({
      says: (elapsed) => {
        if (elapsed > 1000) {
          stop.abort(new Error("stopped by SIGTERM"));
        }
        return { container: { lastStatus: "PENDING" } };
      },
      call: { signal: stop.signal },
    });
    expect(result).toMatchObject({ message: "stopped by SIGTERM" });
  });
});
