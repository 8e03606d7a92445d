// RunTask of the stand-in with real containers: every network mode, labels, metadata, health checks, restarts, ends. It
// needs Docker: without one it is left out and says so, or fails where REQUIRE_DOCKER=1.

import { get } from "node:http";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type ContainerDefinition,
  DescribeTasksCommand,
  ECSClient,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
  type RunTaskCommandInput,
  StopTaskCommand,
  type Task,
} from "@aws-sdk/client-ecs";
import type { AwsStack } from "../../packages/devstack/src/ecs/handle.ts";
import { startAws } from "../../packages/devstack/src/ecs/server.ts";
import { connectDocker } from "../../packages/devstack/src/engine/docker-connect.ts";
import { dockerEngine } from "../../packages/devstack/src/engine/docker.ts";
import {
  buildImage,
  nodePath,
} from "../../packages/devstack/src/engine/image.ts";

const dockerHost = process.env["DOCKER_HOST"] ?? "";
const engine = dockerEngine(dockerHost);
const noDocker = await engine.ping().then(
  () => undefined,
  (error: unknown) =>
    error instanceof Error ? error.message : "unknown failure",
);
const leftOut = noDocker !== undefined && process.env["REQUIRE_DOCKER"] !== "1";
if (leftOut)
  process.stderr.write(
    `LEFT OUT: tests of tasks with real containers: ${noDocker}\n`,
  );

/** What the containers run: says who and what it is in one line of JSON, then does as its argument says. */
const app = `
const { get, createServer } = require("node:http");
const { existsSync, writeFileSync, readFileSync } = require("node:fs");
const read = (url) => new Promise((done, fail) => get(url, (answer) => {
  let text = ""; answer.on("data", (part) => (text += part)); answer.on("end", () => done(text));
}).on("error", fail));
(async () => {
  const uri = process.env.ECS_CONTAINER_METADATA_URI_V4;
  const can = (path) => { try { writeFileSync(path, ""); return true; } catch { return false; } };
  console.log(JSON.stringify({
    me: JSON.parse(await read(uri)), task: JSON.parse(await read(uri + "/task")),
    argv: process.argv.slice(2), env: process.env, uid: process.getuid(), cwd: process.cwd(), canWrite: can("/written"),
    data: existsSync("/data/file") ? readFileSync("/data/file", "utf8") : null,
    limits: readFileSync("/proc/self/limits", "utf8"),
  }));
  const [, , act, arg] = process.argv;
  if (act === "write") { writeFileSync("/data/file", arg); process.exit(0); }
  if (act === "exit") process.exit(Number(arg));
  if (act === "exit-once" && !existsSync("/tmp/again")) { writeFileSync("/tmp/again", ""); setTimeout(() => process.exit(1), Number(arg)); }
  if (act === "well-when" ) setTimeout(() => writeFileSync("/tmp/well", ""), Number(arg));
  process.on("SIGTERM", () => process.exit(7));
  createServer((_, answer) => answer.end("here " + process.env.NAME)).listen(Number(process.env.PORT ?? 8080));
})();
`;
const isWell =
  "process.exit(require('node:fs').existsSync('/tmp/well') ? 0 : 1)";

interface Said {
  readonly me: {
    DockerId: string;
    Name: string;
    Labels: Record<string, string>;
    RestartCount?: number;
  };
  readonly task: {
    TaskARN: string;
    Family: string;
    Cluster: string;
    Containers: { Name: string }[];
  };
  readonly argv: string[];
  readonly env: Record<string, string>;
  readonly uid: number;
  readonly cwd: string;
  readonly canWrite: boolean;
  readonly data: string | null;
  readonly limits: string;
}

describe.skipIf(leftOut)(
  "a task with real containers",
  { timeout: 60_000 },
  () => {
    let stack: AwsStack;
    let started: AwsStack | undefined;
    let ecs: ECSClient;
    let image: string;
    let families = 0;

    beforeAll(async () => {
      image = await buildImage(
        {
          name: "contract",
          files: [{ path: "/app/app.cjs", content: app }],
          entryPoint: [nodePath, "/app/app.cjs"],
        },
        { dockerHost },
      );
      stack = await start();
      started = stack;
      ecs = client(stack);
    }, 120_000);

    afterAll(async () => {
      if (started === undefined) return;
      await started.close();
      expect(await ours(started)).toEqual([]);
    });

    async function start(): Promise<AwsStack> {
      return startAws({
        engine,
        secrets: { "/contract/key": "from the parameter store" },
        limits: {
          minHealthIntervalSeconds: 1,
          minRestartAttemptPeriodSeconds: 1,
        },
        rates: { resourceRead: { burst: 10_000, refill: 1_000 } },
      });
    }

    function client({
      endpoint,
      region,
      accessKeyId,
      secretAccessKey,
    }: AwsStack): ECSClient {
      return new ECSClient({
        endpoint,
        region,
        credentials: { accessKeyId, secretAccessKey },
      });
    }

    async function run(
      networkMode: "bridge" | "awsvpc" | "host",
      containers: readonly ContainerDefinition[],
      more: Partial<RunTaskCommandInput> & {
        volumes?: { name: string; host?: { sourcePath: string } }[];
      } = {},
    ): Promise<string> {
      families += 1;
      const family = `contract-${families}`;
      const { volumes, ...request } = more;
      const containerDefinitions = containers.map((one) => ({
        image,
        memory: 128,
        stopTimeout: 5,
        ...one,
      }));
      await ecs.send(
        new RegisterTaskDefinitionCommand({
          family,
          networkMode,
          containerDefinitions,
          volumes,
        }),
      );
      const network = networkMode === "awsvpc" && {
        networkConfiguration: {
          awsvpcConfiguration: { subnets: ["subnet-1"] },
        },
      };
      const { tasks } = await ecs.send(
        new RunTaskCommand({ taskDefinition: family, ...network, ...request }),
      );
      return tasks?.[0]?.taskArn ?? "";
    }

    async function describeTask(taskArn: string): Promise<Task> {
      const { tasks } = await ecs.send(
        new DescribeTasksCommand({ tasks: [taskArn] }),
      );
      return tasks?.[0] ?? {};
    }

    /** Asks until it is so; the test's own deadline is the end. */
    async function until<T>(
      ask: () => Promise<T>,
      is: (answer: T) => boolean,
    ): Promise<T> {
      for (;;) {
        const answer = await ask();
        if (is(answer)) return answer;
        await delay(50);
      }
    }

    async function status(taskArn: string, lastStatus: string): Promise<Task> {
      const task = await until(
        () => describeTask(taskArn),
        (one) => one.lastStatus === lastStatus || one.lastStatus === "STOPPED",
      );
      expect(task.lastStatus, task.stoppedReason).toBe(lastStatus);
      return task;
    }

    async function said(taskArn: string, name: string): Promise<Said> {
      const log = await until(
        () => stack.logs(taskArn, name),
        (text) => text.includes("\n"),
      );
      return JSON.parse(log.split("\n")[0] ?? "") as Said;
    }

    function fetched(address: string): Promise<string> {
      const once = new Promise<string>((resolve, reject) => {
        get(`http://${address}`, (answer) => {
          let text = "";
          answer.on("data", (part: Buffer) => (text += part.toString()));
          answer.on("end", () => resolve(text));
          answer.on("error", reject);
        }).on("error", reject);
      });
      return once.catch(() => "");
    }

    async function ours({ stackId }: AwsStack): Promise<string[]> {
      const filters = { label: [`vaultbuddy.devstack.stack=${stackId}`] };
      const docker = connectDocker(dockerHost);
      const containers = await docker.listContainers({ all: true, filters });
      const networks = await docker.listNetworks({ filters });
      const volumes = await docker.listVolumes({
        filters: JSON.stringify(filters),
      });
      return [
        ...containers.flatMap(({ Names }) => Names),
        ...networks.map(({ Name }) => Name),
        ...(volumes.Volumes ?? []).map(({ Name }) => Name),
      ];
    }

    test.each([
      [
        "bridge",
        "8080",
        (task: Task) =>
          `${stack.hostAddress}:${task.containers?.[0]?.networkBindings?.[0]?.hostPort}`,
      ],
      [
        "awsvpc",
        "8080",
        (task: Task) =>
          `${task.containers?.[0]?.networkInterfaces?.[0]?.privateIpv4Address}:8080`,
      ],
      ["host", "18099", () => `${stack.hostAddress}:18099`],
    ] as const)(
      "in %s mode is reached where ECS says, and knows who it is",
      async (mode, port, addressOf) => {
        const environment = [
          { name: "NAME", value: mode },
          { name: "PORT", value: port },
        ];
        const taskArn = await run(mode, [
          {
            name: "app",
            environment,
            portMappings: [{ containerPort: Number(port) }],
            dockerLabels: { "vaultbuddy.enable": "true" },
          },
        ]);
        const task = await status(taskArn, "RUNNING");
        const { me, task: own } = await said(taskArn, "app");
        expect(own).toMatchObject({ TaskARN: taskArn, Cluster: "default" });
        expect(me).toMatchObject({
          Name: "app",
          DockerId: task.containers?.[0]?.runtimeId,
        });
        expect(
          await until(
            () => fetched(addressOf(task)),
            (text) => text !== "",
          ),
        ).toBe(`here ${mode}`);
        const { Config } = await connectDocker(dockerHost)
          .getContainer(me.DockerId)
          .inspect();
        expect(Config.Labels).toMatchObject({
          "vaultbuddy.enable": "true",
          "com.amazonaws.ecs.cluster": "default",
          "com.amazonaws.ecs.container-name": "app",
          "com.amazonaws.ecs.task-arn": taskArn,
          "com.amazonaws.ecs.task-definition-family": own.Family,
          "com.amazonaws.ecs.task-definition-version": "1",
        });
        expect(task.containers?.[0]?.imageDigest).toMatch(/^sha256:/);
        const pauses = own.Containers.filter(
          ({ Name }) => Name === "~internal~ecs~pause",
        );
        expect(pauses).toHaveLength(mode === "awsvpc" ? 1 : 0);
      },
    );

    test("gets command, user, environment, secrets, limits, mounts and a read-only root as its definition says", async () => {
      const directory = await mkdtemp(join(tmpdir(), "contract-"));
      await chmod(directory, 0o755);
      await writeFile(join(directory, "file"), "from the host");
      const taskArn = await run(
        "bridge",
        [
          {
            name: "app",
            command: ["serve", "a b"],
            user: "1000:1000",
            workingDirectory: "/tmp",
            readonlyRootFilesystem: true,
            environment: [
              { name: "A", value: "1" },
              { name: "B", value: '$x "y"' },
            ],
            secrets: [{ name: "KEY", valueFrom: "/contract/key" }],
            ulimits: [{ name: "nofile", softLimit: 512, hardLimit: 1024 }],
            mountPoints: [
              { sourceVolume: "data", containerPath: "/data", readOnly: true },
            ],
          },
        ],
        { volumes: [{ name: "data", host: { sourcePath: directory } }] },
      );
      const { argv, env, uid, cwd, canWrite, data, limits } = await said(
        taskArn,
        "app",
      );
      expect({ argv, uid, cwd, canWrite, data }).toEqual({
        argv: ["serve", "a b"],
        uid: 1000,
        cwd: "/tmp",
        canWrite: false,
        data: "from the host",
      });
      expect(env).toMatchObject({
        A: "1",
        B: '$x "y"',
        KEY: "from the parameter store",
      });
      expect(limits).toMatch(/Max open files +\d+ +1024 /);
      await rm(directory, { recursive: true });
    });

    test("has a volume of its own, which its containers share and which goes with the stack", async () => {
      const mountPoints = [{ sourceVolume: "shared", containerPath: "/data" }];
      const taskArn = await run(
        "bridge",
        [
          {
            name: "init",
            essential: false,
            command: ["write", "from a sibling"],
            mountPoints,
          },
          {
            name: "app",
            dependsOn: [{ containerName: "init", condition: "SUCCESS" }],
            mountPoints,
          },
        ],
        { volumes: [{ name: "shared" }] },
      );
      expect((await said(taskArn, "app")).data).toBe("from a sibling");
      expect((await status(taskArn, "RUNNING")).containers?.[0]).toMatchObject({
        lastStatus: "STOPPED",
        exitCode: 0,
      });
    });

    test("runs an overridden command, and ECS shows the override", async () => {
      const overrides = {
        containerOverrides: [{ name: "app", command: ["exit", "3"] }],
      };
      const taskArn = await run(
        "bridge",
        [{ name: "app", command: ["serve"] }],
        { overrides },
      );
      const task = await status(taskArn, "STOPPED");
      expect(task).toMatchObject({
        stopCode: "EssentialContainerExited",
        overrides,
      });
      expect(task.containers?.[0]).toMatchObject({
        lastStatus: "STOPPED",
        exitCode: 3,
      });
    });

    test("stays PENDING while one container waits for another's health, and shows that other one running", async () => {
      const healthCheck = {
        command: ["CMD", nodePath, "-e", isWell],
        interval: 1,
        timeout: 5,
        retries: 10,
      };
      const taskArn = await run("bridge", [
        { name: "side", command: ["well-when", "2000"], healthCheck },
        {
          name: "app",
          dependsOn: [{ containerName: "side", condition: "HEALTHY" }],
        },
      ]);
      const waiting = await until(
        () => describeTask(taskArn),
        (task) =>
          task.containers?.some((one) => one.lastStatus === "RUNNING") === true,
      );
      expect(waiting).toMatchObject({
        lastStatus: "PENDING",
        desiredStatus: "RUNNING",
      });
      expect(waiting.startedAt).toBeUndefined();
      const task = await status(taskArn, "RUNNING");
      expect(
        task.containers?.find(({ name }) => name === "side")?.healthStatus,
      ).toBe("HEALTHY");
    });

    test("is restarted by its restart policy: same container, same startedAt, another start", async () => {
      const taskArn = await run("bridge", [
        {
          name: "app",
          command: ["exit-once", "1200"],
          restartPolicy: { enabled: true, restartAttemptPeriod: 1 },
        },
      ]);
      const before = await status(taskArn, "RUNNING");
      const log = await until(
        () => stack.logs(taskArn, "app"),
        (text) => text.split("\n").length > 2,
      );
      const [first, second] = log
        .split("\n")
        .slice(0, 2)
        .map((line) => (JSON.parse(line) as Said).me);
      expect([first?.DockerId, first?.RestartCount]).toEqual([
        before.containers?.[0]?.runtimeId,
        0,
      ]);
      expect([second?.DockerId, second?.RestartCount]).toEqual([
        before.containers?.[0]?.runtimeId,
        1,
      ]);
      expect(await describeTask(taskArn)).toMatchObject({
        lastStatus: "RUNNING",
        startedAt: before.startedAt,
      });
    });

    test("is stopped with SIGTERM, and its pause container goes", async () => {
      const taskArn = await run("awsvpc", [{ name: "app" }]);
      const running = await status(taskArn, "RUNNING");
      await said(taskArn, "app");
      // The line is written just before the handler of SIGTERM is set.
      await until(
        () =>
          fetched(
            `${running.containers?.[0]?.networkInterfaces?.[0]?.privateIpv4Address}:8080`,
          ),
        Boolean,
      );
      await ecs.send(new StopTaskCommand({ task: taskArn, reason: "enough" }));
      const task = await status(taskArn, "STOPPED");
      expect(task).toMatchObject({
        stopCode: "UserInitiated",
        stoppedReason: "enough",
      });
      expect(task.containers?.[0]?.exitCode).toBe(7);
      const id = taskArn.split("/").at(-1) ?? "";
      const label = {
        label: [
          `com.amazonaws.ecs.task-arn=${taskArn}`,
          "com.amazonaws.ecs.container-name=~internal~ecs~pause",
        ],
      };
      expect(
        await connectDocker(dockerHost).listContainers({
          all: true,
          filters: label,
        }),
        id,
      ).toEqual([]);
    });

    test("that can't start says why", async () => {
      const missing = await status(
        await run("bridge", [{ name: "app", image: "nowhere/nothing" }]),
        "STOPPED",
      );
      expect(missing.stoppedReason).toMatch(/^CannotPullContainerError/);
      const broken = await status(
        await run("bridge", [
          { name: "app", entryPoint: ["/no/such/program"] },
        ]),
        "STOPPED",
      );
      expect(broken.containers?.[0]?.reason).toMatch(
        /^Cannot(Start|Create)ContainerError/,
      );
    });

    test("is left alone when another stack on the same engine is closed", async () => {
      const taskArn = await run("awsvpc", [{ name: "app" }]);
      await status(taskArn, "RUNNING");
      const other = await start();
      await other.close();
      expect(await ours(other)).toEqual([]);
      expect((await describeTask(taskArn)).lastStatus).toBe("RUNNING");
    });

    test("is on a host whose agent tells its cluster", async () => {
      const text = await fetched(
        `${stack.metadataUrl.slice("http://".length)}/v1/metadata`,
      );
      expect(JSON.parse(text)).toMatchObject({
        Cluster: "default",
        Version: expect.stringContaining("Amazon ECS Agent"),
      });
    });
  },
);
