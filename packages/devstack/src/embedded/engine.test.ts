// What only the embedded engine has to do: keep to its addresses, take along what a process leaves behind, say what it
// does not do, and clean up, also after one that was killed.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { kill } from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { dockerEngine } from "../engine/docker.ts";
import type { ContainerSpec, Engine } from "../engine/engine.ts";
import { buildImage, nodePath } from "../engine/image.ts";
import { type EmbeddedEngine, startEmbeddedEngine } from "./engine.ts";

let engine: EmbeddedEngine;
let docker: Engine;
let image: string;
let names = 0;

beforeAll(async () => {
  engine = await startEmbeddedEngine();
  docker = dockerEngine(engine.dockerHost);
  image = await buildImage({ name: "embedded" }, engine);
}, 60_000);
afterAll(() => engine.close());

function script(text: string): string[] {
  return [nodePath, "-e", text];
}

async function start(spec: Partial<ContainerSpec>): Promise<string> {
  names += 1;
  const id = await docker.create({
    name: `embedded-${names}`,
    image,
    labels: {},
    env: {},
    network: { kind: "bridge" },
    ...spec,
  });
  await docker.start(id);
  return id;
}

async function ran(spec: Partial<ContainerSpec>): Promise<string> {
  const id = await start(spec);
  await docker.wait(id, AbortSignal.timeout(15_000));
  return docker.logs(id);
}

function ask(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; json: unknown }> {
  return new Promise((resolve, reject) => {
    const asking = request(
      {
        socketPath: engine.socketPath,
        method,
        path,
        headers: { "content-type": "application/json" },
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk) => (text += String(chunk)));
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            json: text === "" ? undefined : JSON.parse(text),
          }),
        );
      },
    );
    asking.on("error", reject);
    asking.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

test.each([
  ["bridge", { kind: "bridge" } as const],
  ["host", { kind: "host" } as const],
  ["none", { kind: "none" } as const],
])(
  "on %s the entrypoint is told to listen at the container's address",
  async (kind, network) => {
    const log = await ran({
      network,
      env: { WIS_MODE: "off" },
      command: script("console.log(process.env.WIS_LISTEN)"),
    });
    expect(log).toMatch(/^127\.\d+\.\d+\.\d+:9202\n$/);
    expect(log.startsWith(`${engine.hostAddress}:`)).toBe(kind === "host");
  },
);

test("what a process leaves behind ends with it", async () => {
  const id = await start({
    command: script(
      `const { spawn } = require("node:child_process");
       const child = spawn(process.execPath, ["-e", "setInterval(() => 0, 1e9)"], { stdio: "ignore" });
       console.log(child.pid); child.unref();`,
    ),
  });
  await docker.wait(id, AbortSignal.timeout(15_000));
  const pid = Number(await docker.logs(id));
  expect(pid).toBeGreaterThan(1);
  await expect
    .poll(() => existsSync(`/proc/${pid}`), { timeout: 5_000 })
    .toBe(false);
});

test("a container keeps its own files: what one writes into its image's place, the next does not see", async () => {
  const command = script(
    'const fs = require("node:fs"); console.log(fs.existsSync("mark")); fs.writeFileSync("mark", "")',
  );
  expect(await ran({ command })).toBe("false\n");
  expect(await ran({ command })).toBe("false\n");
});

test("a published port that nobody listens behind accepts and closes, as Docker's proxy does", async () => {
  const id = await start({
    command: script("setInterval(() => 0, 1e9)"),
    ports: [{ containerPort: 80, hostPort: 0, protocol: "tcp" }],
  });
  const { ports } = await docker.inspect(id);
  expect(ports[0]?.bindIp).toBe(engine.hostAddress);
  const socket = connect(ports[0]?.hostPort ?? 0, engine.hostAddress);
  await once(socket, "connect");
  socket.resume();
  socket.on("error", () => undefined);
  await once(socket, "close");
  await docker.remove(id);
});

test("a half that is closed early still gets its answer through a published port", async () => {
  const id = await start({
    command: script(
      `require("node:net").createServer({ allowHalfOpen: true }, (socket) => {
         socket.resume(); socket.on("end", () => socket.end("got it all"));
       }).listen(8080, process.env.AT.split(":")[0], () => console.log("listens"))`,
    ),
    env: { AT: "0.0.0.0:8080" },
    ports: [{ containerPort: 8080, hostPort: 0, protocol: "tcp" }],
  });
  await expect.poll(() => docker.logs(id)).toContain("listens");
  const { ports } = await docker.inspect(id);
  const socket = connect({
    port: ports[0]?.hostPort ?? 0,
    host: engine.hostAddress,
    allowHalfOpen: true,
  });
  socket.setEncoding("utf8").end("everything");
  const [heard] = await once(socket, "data");
  expect(heard).toBe("got it all");
  socket.destroy();
  await docker.remove(id);
});

test("a restart policy starts it again, and a stop ends that", async () => {
  const { status, json } = await ask(
    "POST",
    "/v1.41/containers/create?name=again",
    {
      Image: image,
      Cmd: script("process.exitCode = 4"),
      HostConfig: {
        RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 },
      },
    },
  );
  expect(status).toBe(201);
  const { Id: id } = json as { Id: string };
  await ask("POST", `/containers/${id}/start`);
  const counted = async (): Promise<unknown> => {
    const { json: facts } = await ask("GET", "/containers/again/json");
    return (facts as { RestartCount: number }).RestartCount;
  };
  await expect.poll(counted, { timeout: 10_000 }).toBe(2);
  const { json: log } = await ask("POST", `/containers/${id}/wait`);
  expect(log).toEqual({ Error: null, StatusCode: 4 });
});

test("what a plain process can't have is named in the warnings", async () => {
  const { json } = await ask("POST", "/containers/create?name=warned", {
    Image: image,
    User: "1000",
    HostConfig: { Memory: 1e9, ReadonlyRootfs: true },
  });
  const { Warnings } = json as { Warnings: string[] };
  expect(Warnings).toEqual([
    expect.stringContaining("a limit of memory or CPU has no effect"),
    expect.stringContaining("ReadonlyRootfs has no effect"),
    expect.stringContaining("User has no effect"),
  ]);
});

test.each([
  ["POST", "/containers/x/exec"],
  ["POST", "/build"],
  ["POST", "/containers/prune"],
  ["GET", "/swarm"],
])(
  "%s %s, which Docker has and this has not, says so",
  async (method, path) => {
    expect(await ask(method, path)).toEqual({
      status: 501,
      json: { message: expect.stringContaining("use Docker") },
    });
  },
);

test("an image is refused to be removed while it is used, and goes when nobody uses it", async () => {
  const other = await buildImage(
    { name: "embedded-gone", files: [{ path: "/x", content: "x" }] },
    engine,
  );
  const id = await docker.create({
    name: "user-of-it",
    image: other,
    labels: {},
    env: {},
    network: { kind: "bridge" },
  });
  expect((await ask("DELETE", `/images/${other}`)).status).toBe(409);
  await docker.remove(id);
  expect((await ask("DELETE", `/images/${other}`)).status).toBe(200);
  expect(await docker.imageDigest(other)).toBeUndefined();
});

test("a log is followed until the container ends", async () => {
  const id = await start({
    command: script(
      'console.log("first"); setTimeout(() => console.log("last"), 300)',
    ),
  });
  const text = await new Promise<string>((resolve, reject) => {
    const path = `/containers/${id}/logs?stdout=1&follow=1`;
    request({ socketPath: engine.socketPath, path }, (response) => {
      let all = "";
      response.on("data", (chunk: Buffer) => (all += chunk.toString("latin1")));
      response.on("end", () => resolve(all));
    })
      .on("error", reject)
      .end();
  });
  expect(text).toContain("first\n");
  expect(text).toContain("last\n");
});

test("two engines live beside each other, and a socket that is in use is not taken over", async () => {
  const folder = await mkdtemp(join(tmpdir(), "vb-engines-"));
  const socketPath = join(folder, "docker.sock");
  const first = await startEmbeddedEngine({ socketPath });
  expect(first.hostAddress).not.toBe(engine.hostAddress);
  const second = startEmbeddedEngine({ socketPath });
  await expect(second).rejects.toThrow(/EADDRINUSE/);
  expect(existsSync(socketPath)).toBe(true);
  await first.close();
  // What a dead one left behind is no hindrance.
  const dead = createServer().listen(socketPath);
  await once(dead, "listening");
  await rm(socketPath);
  await writeFile(socketPath, "");
  dead.close();
  const third = await startEmbeddedEngine({ socketPath });
  await third.close();
  await rm(folder, { recursive: true });
});

test("an engine that is killed takes its processes along, and the next one its files", async () => {
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const child = spawn(process.execPath, [main], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const { DOCKER_HOST } = JSON.parse(line.toString()) as {
    DOCKER_HOST: string;
  };
  const theirs = dockerEngine(DOCKER_HOST);
  const theirImage = await buildImage(
    { name: "embedded" },
    { dockerHost: DOCKER_HOST },
  );
  const id = await theirs.create({
    name: "orphan",
    image: theirImage,
    labels: {},
    env: {},
    network: { kind: "bridge" },
    command: script("console.log(process.pid); setInterval(() => 0, 1e9)"),
  });
  await theirs.start(id);
  await expect.poll(() => theirs.logs(id)).toMatch(/\d+\n/);
  const pid = Number(await theirs.logs(id));
  kill(child.pid ?? 0, "SIGKILL");
  await once(child, "exit");
  // Where the system has no setpriv the process lives on; Debian and its like have it.
  if (existsSync("/usr/bin/setpriv"))
    await expect
      .poll(() => existsSync(`/proc/${pid}`), { timeout: 5_000 })
      .toBe(false);
  const folder = dirname(new URL(DOCKER_HOST).pathname);
  expect(existsSync(folder)).toBe(true);
  const next = await startEmbeddedEngine();
  await next.close();
  expect(existsSync(folder)).toBe(false);
}, 60_000);
