// The agent as a process: settings that are wrong, a Docker on a real socket, a broker on a real port, and the end.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { request as httpRequest } from "node:http";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { eventLine, FakeEngine, listElement, sends } from "./testing-engine.ts";
import { containerId, ecsLabels, taskArn } from "./testing.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));

interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly errors: () => string;
  readonly ended: Promise<number | null>;
  /** Resolves when the output has this text. */
  readonly said: (text: string) => Promise<void>;
}

function run(
  args: readonly string[],
  env: Record<string, string> = {},
): Running {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  let output = "";
  let errors = "";
  child.stdout
    .setEncoding("utf8")
    .on("data", (chunk: string) => (output += chunk));
  child.stderr
    .setEncoding("utf8")
    .on("data", (chunk: string) => (errors += chunk));
  const ended = new Promise<number | null>((resolve) => {
    child.on("close", (code) => {
      resolve(code);
    });
  });
  return {
    child,
    ended,
    output: () => output,
    errors: () => errors,
    said: async (text) => {
      while (!output.includes(text)) {
        await new Promise<void>((resolve, reject) => {
          child.stdout.once("data", () => {
            resolve();
          });
          void ended.then(() => {
            reject(
              new Error(`ended without saying ${text}: ${output}${errors}`),
            );
          });
        });
      }
    },
  };
}

async function engine(): Promise<FakeEngine> {
  const fake = new FakeEngine();
  onTestFinished(() => fake.remove());
  await fake.start();
  return fake;
}

/** A broker that keeps the notices and answers what the test says. */
async function broker(
  answer: (n: number) => [number, string] = () => [
    200,
    '{"outcome":"delivered","deliveryId":"d-1"}',
  ],
): Promise<{
  url: string;
  notices: unknown[];
  readonly heard: (count: number) => Promise<void>;
}> {
  const notices: unknown[] = [];
  let heard: () => void = () => undefined;
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      notices.push(JSON.parse(body));
      const [status, text] = answer(notices.length);
      response.writeHead(status, { "content-type": "application/json" });
      response.end(text);
      heard();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    notices,
    heard: async (count) => {
      while (notices.length < count) {
        await new Promise<void>((resolve) => {
          heard = resolve;
        });
      }
    },
  };
}

/** A port that is free at this moment. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function get(
  port: number,
  path: string,
): Promise<{ status: number; body: string }> {
  return await new Promise((resolve, reject) => {
    httpRequest({ host: "127.0.0.1", port, path }, (response) => {
      let body = "";
      response
        .setEncoding("utf8")
        .on("data", (chunk: string) => (body += chunk));
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, body });
      });
    })
      .on("error", reject)
      .end();
  });
}

test("faulty settings are told all at once on stderr, with exit code 2", async () => {
  const { ended, errors, output } = run(
    ["--listen", "nowhere", "--frobnicate=hunter2"],
    { DOCKER_HOST: "ssh://x" },
  );
  expect(await ended).toBe(2);
  for (const name of [
    "--frobnicate",
    "--broker (BROKER_URL)",
    "--docker (DOCKER_HOST)",
    "--listen (AGENT_LISTEN)",
  ]) {
    expect(errors()).toContain(name);
  }
  expect(errors()).not.toContain("hunter2");
  expect(output()).toBe("");
});

test("the help names every setting with its variable and exits with 0", async () => {
  const { ended, output } = run(["--help"]);
  expect(await ended).toBe(0);
  for (const name of [
    "BROKER_URL",
    "DOCKER_HOST",
    "ECS_METADATA_URL",
    "OPT_IN_LABEL",
    "AGENT_LISTEN",
    "BROKER_CACERT",
    "LOG_LEVEL",
  ]) {
    expect(output()).toContain(name);
  }
});

test("an address that is taken ends it with 1 and the system's code", async () => {
  const docker = await engine();
  const { url } = await broker();
  const taken = new URL(url).host;
  const { ended, errors } = run([
    "--broker",
    url,
    "--docker",
    `unix://${docker.socketPath}`,
    "--listen",
    taken,
  ]);
  expect(await ended).toBe(1);
  expect(errors()).toContain("EADDRINUSE");
});

test("it notices what runs and what starts, tells its health, and SIGTERM ends it with 0", async () => {
  const docker = await engine();
  docker.onList = sends(
    JSON.stringify([
      listElement(containerId(1), ecsLabels(1)),
      listElement(containerId(9), {
        ...ecsLabels(9),
        "vaultbuddy.enable": "no",
      }),
    ]),
  );
  const { url, notices, heard } = await broker();
  const port = await freePort();
  const agent = run([
    "--broker",
    url,
    "--docker",
    `unix://${docker.socketPath}`,
    "--listen",
    `127.0.0.1:${port}`,
  ]);
  await docker.streaming();
  docker.say(eventLine("start", containerId(2), ecsLabels(2)));
  await heard(2);
  await agent.said('"containerId":"' + containerId(2));
  expect(notices).toHaveLength(2);
  expect(notices).toContainEqual({
    taskArn: taskArn(2),
    cluster: "main",
    containerName: "web",
    containerId: containerId(2),
  });
  const health = await get(port, "/healthz");
  expect([health.status, JSON.parse(health.body)]).toMatchObject([
    200,
    { status: "ok", stream: { open: true }, list: { done: true } },
  ]);
  const metrics = await get(port, "/metrics");
  expect(metrics.body).toContain(
    'vaultbuddy_agent_notices_total{outcome="delivered"} 2\n',
  );
  expect(metrics.body).toContain(
    'vaultbuddy_agent_skipped_total{reason="not_opted_in"} 1\n',
  );
  agent.child.kill("SIGTERM");
  expect(await agent.ended).toBe(0);
  expect(agent.errors()).toBe("");
  expect(new Set(docker.asked.map((one) => one.replace(/\?.*/, "")))).toEqual(
    new Set([
      "GET /_ping",
      "GET /version",
      "GET /events",
      "GET /containers/json",
    ]),
  );
});

test("a Docker and a broker that are away, silent or mad do not end it; it works when they are well again", async () => {
  const docker = await engine();
  docker.onPing = sends("<html>", 502);
  docker.onList = sends("<html>hello</html>");
  const away = await freePort();
  const mad: [number, string][] = [
    [200, "<html>"],
    [500, "x".repeat(100_000)],
    [204, ""],
    [503, '{"code":"sealed"}'],
  ];
  const { url, heard } = await broker(
    (n) => mad[n - 1] ?? [200, '{"outcome":"delivered","deliveryId":"d-1"}'],
  );
  const port = await freePort();
  const agent = run([
    "--broker",
    `http://127.0.0.1:${away},${url}`,
    "--docker",
    `unix://${docker.socketPath}`,
    "--listen",
    `127.0.0.1:${port}`,
    "--ecs-metadata",
    `http://127.0.0.1:${away}`,
  ]);
  await agent.said("docker's event stream cannot be read");
  await agent.said("docker's list cannot be read");
  expect(agent.output()).toMatch(/"code":"http_502"/);
  expect((await get(port, "/healthz")).status).toBe(503);
  docker.onPing = sends("OK");
  docker.onList = sends("[]");
  await docker.streaming();
  docker.say("\u0000\u0001{}\n[]\nnull\n" + "y".repeat(2_000_000) + "\n");
  docker.say(eventLine("start", containerId(1), ecsLabels(1)));
  await heard(5);
  await agent.said("the container has its token");
  docker.cut();
  await agent.said("docker's event stream");
  agent.child.kill("SIGINT");
  expect(await agent.ended).toBe(0);
});

test("a Docker that goes and comes back with other containers loses none of them", async () => {
  const docker = await engine();
  const { url, notices, heard } = await broker();
  const agent = run([
    "--broker",
    url,
    "--docker",
    `unix://${docker.socketPath}`,
    "--listen",
    "127.0.0.1:0",
  ]);
  await docker.streaming();
  docker.say(eventLine("start", containerId(1), ecsLabels(1)));
  await heard(1);
  await docker.stop();
  await agent.said("docker's event stream cannot be read");
  docker.onList = sends(
    JSON.stringify(
      [2, 3].map((n) => listElement(containerId(n), ecsLabels(n))),
    ),
  );
  await docker.start();
  await heard(3);
  await docker.streaming();
  docker.say(eventLine("start", containerId(4), ecsLabels(4)));
  await heard(4);
  expect(
    notices.map((notice) => (notice as { containerId: string }).containerId),
  ).toEqual([1, 2, 3, 4].map(containerId));
});

test("SIGTERM does not wait for a broker that holds a notice", async () => {
  const docker = await engine();
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const held = new Promise((resolve) => server.once("request", resolve));
  docker.onList = sends(
    JSON.stringify([listElement(containerId(1), ecsLabels(1))]),
  );
  const agent = run([
    "--broker",
    `http://127.0.0.1:${port}`,
    "--docker",
    `unix://${docker.socketPath}`,
    "--listen",
    "127.0.0.1:0",
  ]);
  await held;
  const began = performance.now();
  agent.child.kill("SIGTERM");
  expect(await agent.ended).toBe(0);
  // The bound is far above what it takes and far below what the broker would: 100 s.
  expect(performance.now() - began).toBeLessThan(10_000);
});
