import { isNoticeRefusal, parseNotice } from "@vaultbuddy/common";
import type { Notice } from "@vaultbuddy/common";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseDefinition } from "../ecs/definition.ts";
import { parseTask } from "../ecs/facts.ts";
import { loadPolicy } from "../policy.ts";
import { parseClusterPattern } from "../policy/cluster.ts";
import { checkAll } from "./checks.ts";
import { judge } from "./judge.ts";
import type { Evidence, JudgeOptions } from "./judge.ts";

type Json = Record<string, unknown>;

const CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/prod";
const TASK = `arn:aws:ecs:eu-west-1:123456789012:task/prod/${"a".repeat(32)}`;
const DEFINITION = "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:7";
const HOST = "arn:aws:ecs:eu-west-1:123456789012:container-instance/prod/0123";
const RUNTIME = "f".repeat(64);
const DIGEST = `sha256:${"0".repeat(64)}`;
const NOW = 1_800_000_000;

function notice(change: Json = {}): Notice {
  const body = {
    taskArn: TASK,
    cluster: "prod",
    containerName: "app",
    containerId: RUNTIME,
    ...change,
  };
  return parseNotice(Buffer.from(JSON.stringify(body)));
}

function container(change: Json = {}): Json {
  return {
    name: "app",
    lastStatus: "RUNNING",
    runtimeId: RUNTIME,
    image: "nginx:1.27",
    imageDigest: DIGEST,
    networkBindings: [
      { containerPort: 9202, hostPort: 50001, protocol: "tcp", bindIP: "::" },
      {
        containerPort: 9202,
        hostPort: 50000,
        protocol: "tcp",
        bindIP: "0.0.0.0",
      },
    ],
    networkInterfaces: [{ privateIpv4Address: "10.0.1.2" }],
    ...change,
  };
}

function task(change: Json = {}): Json {
  return {
    taskArn: TASK,
    clusterArn: CLUSTER,
    taskDefinitionArn: DEFINITION,
    desiredStatus: "RUNNING",
    lastStatus: "RUNNING",
    launchType: "EC2",
    group: "service:web",
    startedBy: "ecs-svc/0123456789",
    createdAt: NOW - 60,
    pullStoppedAt: NOW - 40,
    startedAt: NOW - 30,
    containerInstanceArn: HOST,
    overrides: {
      containerOverrides: [{ name: "app" }, { name: "side" }],
      inferenceAcceleratorOverrides: [],
    },
    containers: [container(), container({ name: "side", runtimeId: "x" })],
    ...change,
  };
}

function definition(change: Json = {}, mode: string | null = "awsvpc"): Json {
  return {
    taskDefinition: {
      taskDefinitionArn: DEFINITION,
      family: "web",
      networkMode: mode,
      containerDefinitions: [
        {
          name: "app",
          dockerLabels: { "vaultbuddy.enable": "true" },
          environment: [],
          portMappings: [{ containerPort: 9202, hostPort: 0 }],
          ...change,
        },
        { name: "side" },
      ],
    },
  };
}

const options: JudgeOptions = {
  clusters: [parseClusterPattern(CLUSTER.replace("prod", "p*"))],
  taskLife: 120_000,
  pendingLife: 600_000,
  requireState: "container",
  optInLabel: { name: "vaultbuddy.enable", value: "true" },
  entrypointPort: 9202,
};

interface Case {
  readonly notice?: Json;
  readonly task?: Json;
  readonly definition?: Json | "absent";
  readonly mode?: string | null;
  readonly instance?: string | false;
  readonly rule?: Json;
  readonly policy?: Json;
  readonly restartOf?: boolean;
  readonly options?: Partial<JudgeOptions>;
}

/** What the judge says, in one word: a refusal's code, or the kind of the verdict; and why. */
function verdictOf(one: Case): { word: string; why: string } {
  const said = judged(one);
  explainsTheSame(one, said.word);
  return said;
}

/** What `policy explain` lists must lead to the same verdict: the first check that does not pass is the one that decides. */
function explainsTheSame(one: Case, word: string): void {
  if (word.startsWith("needs_") || one.definition === "absent") {
    return;
  }
  const first = checkAll(...given(one)).find(
    ({ result }) => result === "fail" || result === "not yet",
  );
  expect(first === undefined ? "vouched" : first.code, first?.name).toBe(
    word.replace("not_yet ", ""),
  );
}

function given(one: Case): Parameters<typeof judge> {
  const evidence: Evidence = {
    task: parseTask(task(one.task)),
    now: NOW * 1000,
    ...(one.definition === "absent"
      ? {}
      : { definition: parseDefinition(definition(one.definition, one.mode)) }),
    ...(one.instance === undefined ? {} : { instance: one.instance }),
    restartOf: one.restartOf ?? false,
  };
  const policy = loadPolicy(
    JSON.stringify(one.policy ?? { web: one.rule ?? {} }),
    "test",
  );
  return [notice(one.notice), evidence, policy, { ...options, ...one.options }];
}

function judged(one: Case): { word: string; why: string } {
  try {
    const verdict = judge(...given(one));
    switch (verdict.kind) {
      case "vouched":
        return {
          word: "vouched",
          why: `${verdict.dial.host} ${verdict.dial.port} ${verdict.plain ? "plain" : "tls"}`,
        };
      case "not_yet":
        return { word: `not_yet ${verdict.otherwise}`, why: verdict.why };
      case "needs_definition":
      case "needs_instance":
        return { word: verdict.kind, why: verdict.arn };
    }
  } catch (error) {
    if (!isNoticeRefusal(error)) {
      throw error;
    }
    return { word: error.code, why: error.message };
  }
}

type Row = readonly [string, Case, string, RegExp?];

function check(table: readonly Row[]) {
  test.each(table.map((row) => [...row] as const))(
    "%s",
    (_, one, word, why) => {
      const verdict = verdictOf(one);
      expect(verdict.word).toBe(word);
      expect(verdict.why).toMatch(why ?? /./);
    },
  );
}

describe("identity", () => {
  check([
    [
      "a task as it should be is vouched for",
      {},
      "vouched",
      /^10\.0\.1\.2 9202 tls$/,
    ],
    [
      "a cluster that is not on the list is refused",
      {
        options: {
          clusters: [parseClusterPattern(CLUSTER.replace("prod", "q*"))],
        },
      },
      "cluster_not_allowed",
    ],
    [
      "the same cluster name in another account is refused",
      {
        options: {
          clusters: [
            parseClusterPattern(
              CLUSTER.replace("123456789012", "210987654321"),
            ),
          ],
        },
      },
      "cluster_not_allowed",
    ],
    [
      "an answer for another task is no answer",
      { task: { taskArn: TASK.replace(/a{4}$/, "bbbb") } },
      "task_not_found",
    ],
    [
      "a task that ECS has in another cluster is not the one",
      { task: { clusterArn: CLUSTER.replace("prod", "prod2") } },
      "task_not_found",
    ],
    [
      "a container the task does not have",
      { notice: { containerName: "else" } },
      "container_not_found",
      /no container called else/,
    ],
    [
      "another runtime id for the container",
      { notice: { containerId: "e".repeat(64) } },
      "container_not_found",
      /another runtime id/,
    ],
    [
      "a runtime id that ECS does not name yet",
      { task: { containers: [container({ runtimeId: undefined })] } },
      "not_yet task_not_running",
    ],
  ]);
});

describe("state", () => {
  const states: [string, string, string][] = [
    ["PROVISIONING", "PENDING", "not_yet task_not_running"],
    ["PENDING", "PENDING", "not_yet task_not_running"],
    ["PENDING", "RUNNING", "vouched"],
    ["ACTIVATING", "RUNNING", "vouched"],
    ["RUNNING", "RUNNING", "vouched"],
    ["RUNNING", "PENDING", "not_yet task_not_running"],
    ["RUNNING", "STOPPED", "task_not_running"],
    ["RUNNING", "NEVER_HEARD_OF", "not_yet task_not_running"],
    ["NEVER_HEARD_OF", "RUNNING", "not_yet task_not_running"],
    ["DEACTIVATING", "RUNNING", "task_not_running"],
    ["STOPPING", "RUNNING", "task_not_running"],
    ["DEPROVISIONING", "STOPPED", "task_not_running"],
    ["STOPPED", "STOPPED", "task_not_running"],
    ["DELETED", "STOPPED", "task_not_running"],
  ];
  check(
    states.map(([whole, part, word]) => [
      `a ${whole} task with a ${part} container: ${word}`,
      {
        task: {
          lastStatus: whole,
          containers: [container({ lastStatus: part })],
        },
      },
      word,
    ]),
  );
  check([
    [
      "a task that ECS wants stopped is refused while it still runs",
      { task: { desiredStatus: "STOPPED" } },
      "task_not_running",
    ],
    [
      "--require-state task waits for the task",
      { task: { lastStatus: "PENDING" }, options: { requireState: "task" } },
      "not_yet task_not_running",
    ],
    [
      "--require-state task does not wait for the container's own state",
      {
        task: { containers: [container({ lastStatus: "PENDING" })] },
        options: { requireState: "task" },
      },
      "vouched",
    ],
    [
      "--require-state task refuses a container that has stopped",
      {
        task: { containers: [container({ lastStatus: "STOPPED" })] },
        options: { requireState: "task" },
      },
      "task_not_running",
    ],
  ]);
});

describe("age", () => {
  const pending = { startedAt: undefined, lastStatus: "PENDING" };
  check([
    [
      "started exactly a task life ago",
      { task: { startedAt: NOW - 120 } },
      "vouched",
    ],
    [
      "started longer ago",
      { task: { startedAt: NOW - 120.001 } },
      "task_too_old",
    ],
    [
      "started a second ahead of a Date without fractions",
      { task: { startedAt: NOW + 0.9 } },
      "vouched",
    ],
    [
      "started in the far future",
      { task: { startedAt: NOW + 3600 } },
      "task_too_old",
    ],
    [
      "not started, created within the pending life",
      { task: { ...pending, createdAt: NOW - 600, pullStoppedAt: undefined } },
      "vouched",
    ],
    [
      "not started, created longer ago",
      { task: { ...pending, createdAt: NOW - 601, pullStoppedAt: undefined } },
      "task_too_old",
    ],
    [
      "not started, created long ago, but its images took so long",
      { task: { ...pending, createdAt: NOW - 3600, pullStoppedAt: NOW - 10 } },
      "vouched",
    ],
    [
      "no time at all is never young",
      { task: { ...pending, createdAt: undefined, pullStoppedAt: undefined } },
      "task_too_old",
    ],
    [
      "startedAt decides however young the rest is",
      {
        task: {
          startedAt: NOW - 500,
          createdAt: NOW - 1,
          pullStoppedAt: NOW - 1,
        },
      },
      "task_too_old",
    ],
    [
      "a restart is not asked for its age",
      {
        task: { startedAt: NOW - 86_400 },
        restartOf: true,
        rule: { restart: { max: 2 } },
      },
      "vouched",
    ],
    [
      "a restart whose rule gives none",
      { restartOf: true },
      "already_delivered",
    ],
    [
      "a restart of a family without a rule",
      { restartOf: true, policy: {} },
      "already_delivered",
    ],
  ]);
});

describe("opt-in and policy", () => {
  const silent = { dockerLabels: {} };
  check([
    [
      "no rule at all",
      { policy: { other: {} } },
      "policy_denied",
      /no policy rule matches web\/app/,
    ],
    [
      "no rule is told before the task definition is asked for",
      { policy: {}, definition: "absent" },
      "policy_denied",
    ],
    [
      "a rule, and the definition is needed",
      { definition: "absent" },
      "needs_definition",
      /task-definition\/web:7$/,
    ],
    [
      "no label and a rule for the family only",
      { definition: silent },
      "policy_denied",
      /dockerLabel vaultbuddy\.enable=true/,
    ],
    [
      "another value of the label",
      { definition: { dockerLabels: { "vaultbuddy.enable": "TRUE" } } },
      "policy_denied",
    ],
    [
      "no label, but a rule that names containers",
      { definition: silent, policy: { "web/app": {} } },
      "vouched",
    ],
    [
      "no label, but a rule that names every container",
      { definition: silent, policy: { "web/*": {} } },
      "vouched",
    ],
    [
      "a definition that is not the task's",
      { task: { taskDefinitionArn: `${DEFINITION}1` } },
      "policy_denied",
    ],
    [
      "the family's key in the open, even in another container",
      {
        definition: {
          name: "app",
          environment: [{ name: "WIS_HMAC_KEY", value: "k" }],
        },
      },
      "policy_denied",
      /WIS_HMAC_KEY as plain environment of app/,
    ],
    [
      "plain by the rule alone",
      { rule: { transport: "plain" } },
      "policy_denied",
      /WIS_PLAINTEXT=allow/,
    ],
    [
      "plain by the container alone stays TLS",
      {
        definition: {
          environment: [{ name: "WIS_PLAINTEXT", value: "allow" }],
        },
      },
      "vouched",
      /tls$/,
    ],
    [
      "plain by both",
      {
        rule: { transport: "plain" },
        definition: {
          environment: [{ name: "WIS_PLAINTEXT", value: "allow" }],
        },
      },
      "vouched",
      /plain$/,
    ],
    [
      "plain by half a word",
      {
        rule: { transport: "plain" },
        definition: { environment: [{ name: "WIS_PLAINTEXT", value: "true" }] },
      },
      "policy_denied",
    ],
    ...(["bridge", "host", null] as const).flatMap((mode): Row[] => [
      [
        `Ed25519 on a port of the host (${mode ?? "no mode"})`,
        { mode, rule: { proof: "ed25519" }, instance: "10.0.0.9" },
        "policy_denied",
        /awsvpc.*listener: unproven/,
      ],
      [
        `Ed25519 there, where the rule says so (${mode ?? "no mode"})`,
        {
          mode,
          rule: { proof: "ed25519", listener: "unproven" },
          instance: "10.0.0.9",
        },
        "vouched",
      ],
    ]),
    [
      "Ed25519 at an address of the task's own",
      { rule: { proof: "ed25519" } },
      "vouched",
      /tls$/,
    ],
    [
      "Ed25519 in plain HTTP on a port of the host",
      {
        mode: "bridge",
        rule: { proof: "ed25519", transport: "plain" },
        instance: "10.0.0.9",
        definition: {
          environment: [{ name: "WIS_PLAINTEXT", value: "allow" }],
        },
      },
      "policy_denied",
    ],
  ]);
});

describe("what a rule requires", () => {
  const overridden = (change: Json): Case => ({ task: { overrides: change } });
  const images = (...globs: string[]): Json => ({ require: { images: globs } });
  check([
    ["no overrides member", { task: { overrides: undefined } }, "vouched"],
    [
      "bare names and empty members only",
      overridden({
        containerOverrides: [
          { name: "app", command: [], environment: [], cpu: null },
        ],
        ephemeralStorage: {},
        cpu: "",
      }),
      "vouched",
    ],
    [
      "a command",
      overridden({ containerOverrides: [{ name: "app", command: ["env"] }] }),
      "policy_denied",
      /containerOverrides\[app\]\.command/,
    ],
    [
      "a variable in another container",
      overridden({
        containerOverrides: [
          { name: "app" },
          { name: "side", environment: [{ name: "A", value: "b" }] },
        ],
      }),
      "policy_denied",
      /\[side\]\.environment/,
    ],
    [
      "an environment file",
      overridden({
        containerOverrides: [
          { name: "app", environmentFiles: [{ type: "s3", value: "x" }] },
        ],
      }),
      "policy_denied",
    ],
    [
      "cpu, even 0",
      overridden({ containerOverrides: [{ name: "app", cpu: 0 }] }),
      "policy_denied",
    ],
    [
      "a member of the container that is not known yet",
      overridden({ containerOverrides: [{ name: "app", entryPoint: ["sh"] }] }),
      "policy_denied",
      /entryPoint/,
    ],
    [
      "a task role",
      overridden({ taskRoleArn: "arn:aws:iam::1:role/x" }),
      "policy_denied",
      /taskRoleArn/,
    ],
    [
      "a member of the task that is not known yet",
      overridden({ networkMode: "host" }),
      "policy_denied",
      /networkMode/,
    ],
    [
      "overrides that are a text",
      overridden({ containerOverrides: "x" }),
      "policy_denied",
    ],
    [
      "overrides where the rule allows them",
      {
        ...overridden({ taskRoleArn: "x" }),
        rule: { require: { overrides: "allow" } },
      },
      "vouched",
    ],
    [
      "ECS Exec",
      { task: { enableExecuteCommand: true } },
      "policy_denied",
      /enableExecuteCommand/,
    ],
    [
      "ECS Exec where the rule allows it",
      {
        task: { enableExecuteCommand: true },
        rule: { require: { exec: "allow" } },
      },
      "vouched",
    ],
    ["its group", { rule: { require: { group: "service:web" } } }, "vouched"],
    [
      "its group by a glob",
      { rule: { require: { group: ["family:*", "service:w*"] } } },
      "vouched",
    ],
    [
      "another group",
      { rule: { require: { group: "service:api" } } },
      "policy_denied",
      /require\.group/,
    ],
    [
      "a group that ECS does not name",
      { task: { group: undefined }, rule: { require: { group: "*" } } },
      "policy_denied",
    ],
    ["its cluster", { rule: { require: { clusters: [CLUSTER] } } }, "vouched"],
    [
      "another cluster",
      { rule: { require: { clusters: CLUSTER.replace("prod", "test-*") } } },
      "policy_denied",
      /require\.clusters/,
    ],
    [
      "its launch type",
      { rule: { require: { launchType: ["FARGATE", "EC2"] } } },
      "vouched",
    ],
    [
      "another launch type",
      { rule: { require: { launchType: "FARGATE" } } },
      "policy_denied",
    ],
    [
      "who started it",
      { rule: { require: { startedBy: "ecs-svc/*" } } },
      "vouched",
    ],
    [
      "another starter",
      {
        task: { startedBy: "me" },
        rule: { require: { startedBy: "ecs-svc/*" } },
      },
      "policy_denied",
    ],
    [
      "its image",
      { rule: images("docker.io/library/nginx@sha256:*") },
      "vouched",
    ],
    [
      "its image by digest",
      { rule: images(`docker.io/library/nginx@${DIGEST}`) },
      "vouched",
    ],
    [
      "another digest",
      { rule: images(`docker.io/library/nginx@sha256:${"1".repeat(64)}`) },
      "policy_denied",
      /require\.images/,
    ],
    [
      "a star that would have to cross a slash",
      { rule: images("docker.io/*@sha256:*") },
      "policy_denied",
    ],
    [
      "an image without a digest",
      {
        task: { containers: [container({ imageDigest: undefined })] },
        rule: images("*/library/nginx@*"),
      },
      "policy_denied",
    ],
  ]);
});

describe("the address", () => {
  const bridge = { mode: "bridge", instance: "10.0.0.9" };
  const listen = (value: string): Json => ({
    environment: [{ name: "WIS_LISTEN", value }],
  });
  check([
    ["awsvpc: the interface", {}, "vouched", /^10\.0\.1\.2 9202 /],
    [
      "awsvpc: the attachment where the container names none",
      {
        task: {
          containers: [container({ networkInterfaces: [] })],
          attachments: [
            {
              type: "ElasticNetworkInterface",
              details: [{ name: "privateIPv4Address", value: "10.0.1.3" }],
            },
          ],
        },
      },
      "vouched",
      /^10\.0\.1\.3 /,
    ],
    [
      "awsvpc: no interface yet",
      { task: { containers: [container({ networkInterfaces: undefined })] } },
      "not_yet address_unknown",
    ],
    [
      "awsvpc: an IPv6 interface",
      {
        task: {
          containers: [
            container({ networkInterfaces: [{ ipv6Address: "fd12::1" }] }),
          ],
        },
      },
      "vouched",
      /^fd12::1 /,
    ],
    [
      "bridge: the host is asked for",
      { mode: "bridge" },
      "needs_instance",
      /container-instance/,
    ],
    [
      "bridge: the host's address and the IPv4 binding",
      bridge,
      "vouched",
      /^10\.0\.0\.9 50000 /,
    ],
    [
      "bridge: the IPv6 binding when there is no other",
      {
        ...bridge,
        task: {
          containers: [
            container({
              networkBindings: [
                { containerPort: 9202, hostPort: 5, bindIP: "::" },
              ],
            }),
          ],
        },
      },
      "vouched",
      / 5 /,
    ],
    [
      "bridge: a range of ports",
      {
        ...bridge,
        rule: { port: 9300 },
        definition: { portMappings: [{ containerPortRange: "9290-9310" }] },
        task: {
          containers: [
            container({
              networkBindings: [
                {
                  containerPortRange: "9290-9310",
                  hostPortRange: "40000-40020",
                },
              ],
            }),
          ],
        },
      },
      "vouched",
      / 40010 /,
    ],
    [
      "bridge: a UDP binding is none",
      {
        ...bridge,
        task: {
          containers: [
            container({
              networkBindings: [
                { containerPort: 9202, hostPort: 5, protocol: "udp" },
              ],
            }),
          ],
        },
      },
      "not_yet address_unknown",
    ],
    [
      "bridge: no binding yet",
      { ...bridge, task: { containers: [container({ networkBindings: [] })] } },
      "not_yet address_unknown",
    ],
    [
      "bridge: no port mapping, so none will come",
      { ...bridge, definition: { portMappings: [] } },
      "address_unknown",
      /portMapping for 9202/,
    ],
    [
      "bridge is what an absent mode means",
      { ...bridge, mode: null },
      "vouched",
      /^10\.0\.0\.9/,
    ],
    [
      "host: the host's address and the port",
      { mode: "host", instance: "172.16.3.4" },
      "vouched",
      /^172\.16\.3\.4 9202 /,
    ],
    [
      "host: a host nobody names",
      { mode: "host", instance: false },
      "address_unknown",
      /neither ECS nor EC2/,
    ],
    [
      "host: no host yet",
      { mode: "host", task: { containerInstanceArn: undefined } },
      "not_yet address_unknown",
    ],
    ["none", { mode: "none" }, "address_unknown"],
    ["a mode that is not known yet", { mode: "wormhole" }, "address_unknown"],
    [
      "the rule's port beats WIS_LISTEN",
      { rule: { port: 9500 }, definition: listen(":9600") },
      "vouched",
      / 9500 /,
    ],
    [
      "WIS_LISTEN beats the default",
      { definition: listen("0.0.0.0:9600") },
      "vouched",
      / 9600 /,
    ],
    [
      "WIS_LISTEN without a port",
      { definition: listen("localhost") },
      "address_unknown",
      /WIS_LISTEN/,
    ],
    [
      "WIS_LISTEN with any port",
      { definition: listen(":0") },
      "address_unknown",
    ],
  ]);
});

test("a refusal never holds what ECS or the notice said of addresses, ids and labels", () => {
  const marked = verdictOf({
    task: {
      containers: [
        container({
          networkInterfaces: [{ privateIpv4Address: "203.0.113.7" }],
        }),
      ],
    },
  });
  expect(marked.word).toBe("address_unknown");
  expect(marked.why).not.toContain("203.0.113.7");
});

describe("the order of the checks", () => {
  const merge = (left: Case, right: Case): Case => ({
    ...left,
    ...right,
    task: { ...left.task, ...right.task },
    notice: { ...left.notice, ...right.notice },
    rule: { ...left.rule, ...right.rule },
    options: { ...left.options, ...right.options },
  });
  const faults: [Case, string][] = [
    [{ options: { clusters: [] } }, "cluster_not_allowed"],
    [{ task: { clusterArn: `${CLUSTER}2` } }, "task_not_found"],
    [{ task: { desiredStatus: "STOPPED" } }, "task_not_running"],
    [{ task: { lastStatus: "PROVISIONING" } }, "not_yet task_not_running"],
    [{ task: { startedAt: NOW - 3600 } }, "task_too_old"],
    [{ notice: { containerId: "e".repeat(64) } }, "container_not_found"],
    [{ policy: {} }, "policy_denied"],
    [{ definition: "absent" }, "needs_definition"],
    [{ task: { enableExecuteCommand: true } }, "policy_denied"],
    [{ rule: { transport: "plain" } }, "policy_denied"],
    [{ mode: "none" }, "address_unknown"],
  ];

  test("of any faults together the first in the order decides", () => {
    fc.assert(
      fc.property(fc.subarray(faults, { minLength: 1 }), (chosen) => {
        const one = chosen
          .map(([fault]) => fault)
          .reduce((left, right) => merge(left, right));
        expect(verdictOf(one).word).toBe(chosen[0]?.[1]);
      }),
    );
  });
});
