// The stand-in as a process: one line when it is ready, and nothing left behind after SIGTERM.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import {
  ECSClient,
  DescribeTasksCommand,
  RegisterTaskDefinitionCommand,
  RunTaskCommand,
} from "@aws-sdk/client-ecs";
import { connectDocker } from "../../packages/devstack/src/engine/docker-connect.ts";
import { dockerEngine } from "../../packages/devstack/src/engine/docker.ts";
import {
  buildImage,
  nodePath,
} from "../../packages/devstack/src/engine/image.ts";

const dockerHost = process.env["DOCKER_HOST"] ?? "";
const noDocker = await dockerEngine(dockerHost)
  .ping()
  .then(
    () => undefined,
    (error: unknown) =>
      error instanceof Error ? error.message : "unknown failure",
  );
const leftOut = noDocker !== undefined && process.env["REQUIRE_DOCKER"] !== "1";
if (leftOut)
  process.stderr.write(
    `LEFT OUT: the stand-in's process with containers: ${noDocker}\n`,
  );

const main = new URL("../../packages/devstack/src/ecs/main.ts", import.meta.url)
  .pathname;
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

async function start(
  ...flags: readonly string[]
): Promise<{ child: ChildProcess; ready: Record<string, string> }> {
  const child = spawn(
    process.execPath,
    [main, "--listen", "127.0.0.1:0", ...flags],
    {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        PATH: "/usr/bin:/bin",
        ...(dockerHost !== "" && { DOCKER_HOST: dockerHost }),
      },
    },
  );
  children.push(child);
  const [line] = (await once(createInterface(child.stdout), "line")) as [
    string,
  ];
  return { child, ready: JSON.parse(line) as Record<string, string> };
}

async function stopped(child: ChildProcess): Promise<number | null> {
  const ended = once(child, "exit") as Promise<[number | null]>;
  child.kill("SIGTERM");
  return (await ended)[0];
}

function client(ready: Record<string, string>): ECSClient {
  const { AWS_ENDPOINT_URL: endpoint = "", AWS_REGION: region = "" } = ready;
  const {
    AWS_ACCESS_KEY_ID: accessKeyId = "",
    AWS_SECRET_ACCESS_KEY: secretAccessKey = "",
  } = ready;
  return new ECSClient({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
  });
}

test("it takes account, region and clusters from its flags, and ends well", async () => {
  const flags = [
    "--docker",
    "none",
    "--account",
    "999999999999",
    "--region",
    "eu-west-1",
    "--cluster",
    "main",
  ];
  const { child, ready } = await start(...flags, "--control", "127.0.0.1:0");
  expect(ready).toMatchObject({
    ready: true,
    AWS_REGION: "eu-west-1",
    clusterArn: "arn:aws:ecs:eu-west-1:999999999999:cluster/main",
  });
  expect(ready["controlUrl"]).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect(await stopped(child)).toBe(0);
});

test.skipIf(leftOut)(
  "at SIGTERM its containers and networks go",
  { timeout: 60_000 },
  async () => {
    const image = await buildImage(
      {
        name: "contract-process",
        command: [nodePath, "-e", "setInterval(() => {}, 1e6)"],
      },
      { dockerHost },
    );
    const { child, ready } = await start();
    const ecs = client(ready);
    await ecs.send(
      new RegisterTaskDefinitionCommand({
        family: "web",
        networkMode: "awsvpc",
        containerDefinitions: [{ name: "app", image, memory: 128 }],
      }),
    );
    const networkConfiguration = {
      awsvpcConfiguration: { subnets: ["subnet-1"] },
    };
    const { tasks } = await ecs.send(
      new RunTaskCommand({ taskDefinition: "web", networkConfiguration }),
    );
    const taskArn = tasks?.[0]?.taskArn ?? "";
    for (let status: string | undefined; status !== "RUNNING";) {
      status = (await ecs.send(new DescribeTasksCommand({ tasks: [taskArn] })))
        .tasks?.[0]?.lastStatus;
      expect(status).not.toBe("STOPPED");
      await delay(50);
    }
    const docker = connectDocker(dockerHost);
    const filters = { label: [`com.amazonaws.ecs.task-arn=${taskArn}`] };
    const before = await docker.listContainers({ all: true, filters });
    expect(before).toHaveLength(2);
    const label = [
      `vaultbuddy.devstack.stack=${before[0]?.Labels["vaultbuddy.devstack.stack"]}`,
    ];
    expect(await stopped(child)).toBe(0);
    expect(
      await docker.listContainers({ all: true, filters: { label } }),
    ).toEqual([]);
    expect(await docker.listNetworks({ filters: { label } })).toEqual([]);
  },
);
