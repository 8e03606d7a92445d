// What the agent costs: from an event on Docker's stream to its notice at the broker, beside the barest reader of that
// stream, one after the other; and the memory of a bundled agent on a host of a thousand containers, beside a bare Node.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { eventLine, FakeEngine } from "../../agent/src/testing-engine.ts";
import { startEmbeddedEngine } from "../../packages/devstack/src/embedded/engine.ts";
import { bundle } from "../../packages/devstack/src/images/bundle.ts";
import { taskArn } from "../agent/host.ts";
import { Listener } from "../agent/listener.ts";

const runs = 5;
const rounds = 300;
/** Events at the beginning of a run that only warm both. */
const warming = 30;
const containers = 1000;
/** Long enough for one more list after the first. */
const settleMs = 35_000;

/** The yardstick: as little as Node can do to read an event and tell a broker. Arguments: socket, broker. */
const reader = `const http = require("node:http");
const [socketPath, broker] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });
http.get({ socketPath, path: "/events", headers: { host: "docker" } }, (stream) => {
  let rest = "";
  stream.setEncoding("utf8").on("data", (chunk) => {
    const lines = (rest + chunk).split("\\n");
    rest = lines.pop();
    for (const line of lines) {
      const { Actor: { ID, Attributes: labels } } = JSON.parse(line);
      const post = http.request(broker + "/v1/notify", { method: "POST", agent, headers: { "content-type": "application/json" } }, (answer) => answer.resume());
      post.end(JSON.stringify({ taskArn: labels["com.amazonaws.ecs.task-arn"], cluster: labels["com.amazonaws.ecs.cluster"], containerName: labels["com.amazonaws.ecs.container-name"], containerId: ID }));
    }
  });
});
`;

/** The flags of Node with which the image starts the agent. */
function imageFlags(): string[] {
  const text = readFileSync(
    new URL("../../agent/Dockerfile", import.meta.url),
    "utf8",
  );
  const words = /^ENTRYPOINT (\[.*\])$/m.exec(text)?.[1] ?? "[]";
  return (JSON.parse(words) as string[]).filter((word) =>
    word.startsWith("--"),
  );
}

/** Measures, and writes a line for each figure. */
export async function benchAgent(write: (line: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "bench-agent-"));
  const children: ChildProcess[] = [];
  const start = (script: string, ...args: string[]): ChildProcess => {
    const child = spawn(
      process.execPath,
      [...imageFlags(), join(folder, script), ...args],
      { env: {}, stdio: ["ignore", "ignore", "inherit"] },
    );
    children.push(child);
    return child;
  };
  try {
    const program = {
      source: "agent/src/main.ts",
      bundle: "agent.cjs",
    } as const;
    await bundle(program, folder);
    writeFileSync(join(folder, "reader.cjs"), reader);
    writeFileSync(join(folder, "bare.cjs"), "setInterval(() => {}, 1 << 30);");
    write(`Node's flags, as in the image: ${imageFlags().join(" ")}`);
    await latency(start, write);
    await memory(start, write);
  } finally {
    for (const child of children) {
      child.kill("SIGKILL");
    }
    rmSync(folder, { recursive: true, force: true });
  }
}

type Start = (script: string, ...args: string[]) => ChildProcess;

/** The arguments of an agent. */
function settings(broker: string, dockerHost: string): string[] {
  const words = ["--broker", broker, "--docker", dockerHost];
  return words.concat(["--listen", "127.0.0.1:0", "--log-level", "info"]);
}

function labels(n: number): Record<string, string> {
  return {
    "com.amazonaws.ecs.task-arn": taskArn(n),
    "com.amazonaws.ecs.container-name": "web",
    "com.amazonaws.ecs.cluster": "main",
    "vaultbuddy.enable": "true",
  };
}

async function latency(
  start: Start,
  write: (line: string) => void,
): Promise<void> {
  const found: { ours: number[]; bare: number[] }[] = [];
  for (let run = 0; run < runs; run += 1) {
    found.push(await latencyOnce(start));
  }
  const p50 = (times: readonly number[]): number => quantile(times, 0.5);
  const ours = p50(found.map((one) => p50(one.ours)));
  const bare = p50(found.map((one) => p50(one.bare)));
  const ratio = p50(found.map((one) => p50(one.ours) / p50(one.bare)));
  const high = p50(found.map((one) => quantile(one.ours, 0.95)));
  write(
    `event to notice: p50 ${ours.toFixed(2)} ms, ${ratio.toFixed(2)} × a bare reader's ${bare.toFixed(2)} ms; p95 ${high.toFixed(2)} ms (medians of ${runs} runs of ${rounds} events; bar 5 ms)`,
  );
}

/** One agent and one reader, each with a Docker of its own, told in turns. Times in milliseconds. */
async function latencyOnce(
  start: Start,
): Promise<{ ours: number[]; bare: number[] }> {
  const broker = await Listener.open();
  const engines = [new FakeEngine(), new FakeEngine()] as const;
  await Promise.all(engines.map((engine) => engine.start()));
  const [first, second] = engines;
  const children = [
    start("agent.cjs", ...settings(broker.url, `unix://${first.socketPath}`)),
    start("reader.cjs", second.socketPath, broker.url),
  ];
  await Promise.all(engines.map((engine) => engine.streaming()));
  await delay(1000);
  const tell = async (engine: FakeEngine, n: number): Promise<number> => {
    const nano = BigInt(Date.now()) * 1_000_000n + BigInt(n);
    const id = n.toString(16).padStart(64, "0");
    const line = eventLine("start", id, labels(n), String(nano));
    const expected = broker.notices.length + 1;
    const began = performance.now();
    engine.say(line);
    await broker.until(() => broker.notices.length >= expected, 10_000);
    return performance.now() - began;
  };
  const times = { ours: [] as number[], bare: [] as number[] };
  for (let n = 0; n < rounds + warming; n += 1) {
    await delay(5);
    const ours = await tell(first, 2 * n + 1);
    await delay(5);
    const bare = await tell(second, 2 * n + 2);
    if (n >= warming) {
      times.ours.push(ours);
      times.bare.push(bare);
    }
  }
  for (const child of children) {
    child.kill("SIGKILL");
  }
  await Promise.all(engines.map((engine) => engine.remove()));
  await broker.close();
  return times;
}

async function memory(
  start: Start,
  write: (line: string) => void,
): Promise<void> {
  const engine = await startEmbeddedEngine();
  const broker = await Listener.open();
  try {
    await engine.startReceivers(
      Array.from({ length: containers }, (_, n) => ({
        labels: labels(n),
        env: {
          WIS_HMAC_KEY: "PPdRfsVlbj5U9fa46RKkketChkYaZ1HsDQnA8dA1ZeQ",
          VAULT_ADDR: "http://127.0.0.1:8200",
        },
      })),
    );
    // Side by side: how busy the machine is says nothing about memory.
    const agents = Array.from({ length: runs }, () =>
      start("agent.cjs", ...settings(broker.url, engine.dockerHost)),
    );
    const bare = Array.from({ length: runs }, () => start("bare.cjs"));
    const all = containers * runs;
    await broker.until(() => broker.notices.length >= all, 60_000);
    if (broker.notices.length !== all) {
      throw new Error(`${broker.notices.length} notices instead of ${all}`);
    }
    await delay(settleMs);
    const mb = (children: readonly ChildProcess[], field: string): string =>
      quantile(
        children.map((child) => resident(child, field)),
        0.5,
      ).toFixed(1);
    write(
      `memory with ${containers} running containers, all noticed and listed again: ${mb(agents, "VmRSS")} MB resident, ${mb(agents, "VmHWM")} MB at most; a bare Node ${mb(bare, "VmRSS")} MB (medians of ${runs}; bar 80 MB)`,
    );
    await Promise.all([...agents, ...bare].map(ended));
  } finally {
    await broker.close();
    await engine.close();
  }
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

/** In MB of a million bytes, from what the kernel says in KiB. */
function resident(child: ChildProcess, field: string): number {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  const kib = new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1];
  return (Number(kib) * 1024) / 1e6;
}

function quantile(values: readonly number[], part: number): number {
  const inOrder = values.toSorted((a, b) => a - b);
  return inOrder[Math.floor(inOrder.length * part)] ?? Number.NaN;
}
