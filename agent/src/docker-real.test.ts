// The agent against the Docker of this machine, through a proxy that lets four GETs pass, refuses and records everything
// else, and cuts connections when told to. Without Docker these tests are skipped and say so; REQUIRE_DOCKER=1 makes a
// missing Docker a failure. All that is made carries one label and is removed at the end.

import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  copyFileSync,
  rmSync,
} from "node:fs";
import { createServer, request } from "node:http";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { systemClock } from "@vaultbuddy/common";
import type { NoticeBody } from "@vaultbuddy/common";
import {
  afterAll,
  beforeAll,
  describe,
  expect,
  onTestFinished,
  test,
} from "vitest";
import { Agent } from "./agent.ts";
import { DockerEngine } from "./docker.ts";
import { labelFilter } from "./identify.ts";
import { Meters } from "./meters.ts";
import { delivered, keptLog, taskArn } from "./testing.ts";

const SOCKET = "/var/run/docker.sock";
const BUSYBOX = "/usr/bin/busybox";
const MARK = `vaultbuddy.agent-test=${randomBytes(4).toString("hex")}`;
const IMAGE = `vaultbuddy-agent-test-${randomBytes(4).toString("hex")}`;

const execute = promisify(execFile);

async function docker(...args: string[]): Promise<string> {
  return (await execute("docker", args)).stdout.trim();
}

/** Why there is no test to be had of a real Docker; undefined when there is. */
async function missing(): Promise<string | undefined> {
  if (!existsSync(SOCKET)) {
    return `${SOCKET} does not exist`;
  }
  if (!existsSync(BUSYBOX)) {
    return `${BUSYBOX} does not exist (Debian: busybox-static)`;
  }
  return await docker("version").then(
    () => undefined,
    () => "the docker client cannot reach the engine",
  );
}

const reason = await missing();
if (reason !== undefined) {
  if (process.env["REQUIRE_DOCKER"] === "1") {
    throw new Error(`REQUIRE_DOCKER=1, but ${reason}`);
  }
  process.stderr.write(`SKIPPED: the agent against a real Docker: ${reason}\n`);
}

const ALLOWED = /^\/(?:_ping|version|events|containers\/json)(?:\?|$)/;

/** A filtering proxy before Docker's socket, as one would put there in production. */
class SocketProxy {
  readonly directory = mkdtempSync(join(tmpdir(), "agent-proxy-"));
  readonly socketPath = join(this.directory, "docker.sock");
  readonly asked = new Set<string>();
  readonly refused: string[] = [];
  readonly #server: Server;
  #events: () => void = () => undefined;

  constructor() {
    this.#server = createServer((incoming, outgoing) => {
      const { method, url, headers } = incoming;
      const path = url ?? "";
      outgoing.on("error", () => undefined);
      if (method !== "GET" || !ALLOWED.test(path)) {
        this.refused.push(`${method} ${path}`);
        outgoing.writeHead(403).end();
        return;
      }
      this.asked.add(`${method} ${path.replace(/\?.*/, "")}`);
      const onward = request(
        { socketPath: SOCKET, method, path, headers },
        (answer) => {
          answer.on("error", () => outgoing.destroy());
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
          outgoing.flushHeaders();
          answer.pipe(outgoing);
          if (path.startsWith("/events")) {
            this.#events();
          }
        },
      );
      onward.on("error", () => outgoing.destroy());
      outgoing.on("close", () => onward.destroy());
      onward.end();
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.listen(this.socketPath, resolve);
    });
  }

  /** Resolves when the next event stream has been opened. */
  async streaming(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#events = resolve;
    });
  }

  cut(): void {
    this.#server.closeAllConnections();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Starts an agent behind the proxy; `notices` grows with each one. */
function watch(proxy: SocketProxy): {
  notices: NoticeBody[];
  meters: Meters;
  heard: (count: number) => Promise<void>;
} {
  const notices: NoticeBody[] = [];
  const meters = new Meters();
  let woken: () => void = () => undefined;
  const [name = "", value = ""] = MARK.split("=");
  const optIn = { name, value };
  const agent = new Agent({
    docker: new DockerEngine(proxy, labelFilter(optIn)),
    optIn,
    clusters: { cluster: () => Promise.resolve("main") },
    brokers: ["http://broker"],
    post: (url, body) => {
      // The hint that a container has ended goes to another path.
      if (url.endsWith("/v1/notify")) {
        notices.push(JSON.parse(body) as NoticeBody);
        woken();
      }
      return Promise.resolve(delivered());
    },
    clock: systemClock,
    log: keptLog().log,
    meters,
  });
  const stop = new AbortController();
  const ran = agent.run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await ran;
  });
  const heard = async (count: number): Promise<void> => {
    while (notices.length < count) {
      await new Promise<void>((resolve) => {
        woken = resolve;
      });
    }
  };
  return { notices, meters, heard };
}

async function start(n: number, ...command: string[]): Promise<string> {
  const labels = [
    MARK,
    `com.amazonaws.ecs.task-arn=${taskArn(n)}`,
    "com.amazonaws.ecs.container-name=web",
    "com.amazonaws.ecs.cluster=main",
  ];
  return await docker(
    "run",
    "-d",
    "--network",
    "none",
    ...labels.flatMap((label) => ["--label", label]),
    IMAGE,
    "/busybox",
    ...command,
  );
}

async function proxied(): Promise<SocketProxy> {
  const proxy = new SocketProxy();
  onTestFinished(() => proxy.stop());
  await proxy.start();
  return proxy;
}

describe.skipIf(reason !== undefined)(
  "on a real Docker",
  { timeout: 120_000 },
  () => {
    beforeAll(async () => {
      const root = mkdtempSync(join(tmpdir(), "agent-image-"));
      mkdirSync(join(root, "etc"));
      copyFileSync(BUSYBOX, join(root, "busybox"));
      await new Promise<void>((resolve, reject) => {
        const importing = spawn("docker", ["import", "-", IMAGE], {
          stdio: ["pipe", "ignore", "inherit"],
        });
        const tar = spawn("tar", ["-C", root, "-c", "."], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        tar.stdout.pipe(importing.stdin);
        importing.on("close", (code) => {
          if (code === 0) resolve();
          else reject(new Error(`docker import ended with ${code}`));
        });
      });
      rmSync(root, { recursive: true });
    }, 60_000);

    afterAll(async () => {
      const left = await docker("ps", "-aq", "--filter", `label=${MARK}`);
      if (left !== "") {
        await docker("rm", "-f", ...left.split("\n"));
      }
      await docker("rmi", "-f", IMAGE);
    }, 60_000);

    test("what ran before, what starts and what is restarted is noticed once per start, with four GETs and no more", async () => {
      const before = await start(1, "sleep", "60");
      const proxy = await proxied();
      const opened = proxy.streaming();
      const { notices, heard } = watch(proxy);
      await opened;
      await heard(1);
      const after = await start(2, "sleep", "60");
      await heard(2);
      await docker("restart", "-t", "0", after);
      await heard(3);
      const short = await start(3, "true");
      await heard(4);
      expect(notices.map(({ containerId }) => containerId)).toEqual([
        before,
        after,
        after,
        short,
      ]);
      expect(notices[0]).toEqual({
        taskArn: taskArn(1),
        cluster: "main",
        containerName: "web",
        containerId: before,
      });
      expect([...proxy.asked].toSorted()).toEqual([
        "GET /_ping",
        "GET /containers/json",
        "GET /events",
        "GET /version",
      ]);
      expect(proxy.refused).toEqual([]);
    });

    test("starts on a stream that is cut again and again are noticed, none of them twice", async () => {
      const proxy = await proxied();
      const opened = proxy.streaming();
      const { notices, heard, meters } = watch(proxy);
      await opened;
      await heard(
        (await docker("ps", "-q", "--filter", `label=${MARK}`)).split("\n")
          .length,
      );
      const before = notices.length;
      const cutting = setInterval(() => {
        proxy.cut();
      }, 150);
      const ids: string[] = [];
      for (let n = 10; n < 20; n += 1) {
        ids.push(await start(n, "sleep", "60"));
      }
      clearInterval(cutting);
      await heard(before + ids.length);
      const seen = notices.slice(before).map(({ containerId }) => containerId);
      expect(seen.toSorted()).toEqual(ids.toSorted());
      expect(meters.total("stream_connects")).toBeGreaterThan(3);
    });
  },
);
