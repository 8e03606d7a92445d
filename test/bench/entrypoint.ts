// What the entrypoint costs: from a container's start until it listens, as a ratio to a bare Node that opens a listener
// in the same container, one after the other; the memory while it waits and once the command runs; and what a delivery
// takes.

import { writeFile } from "node:fs/promises";
import { availableParallelism, loadavg, setPriority } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { must, run, words } from "../bundle/docker.ts";
import { Kit, noBundle } from "../bundle/kit.ts";
import { benchDelivery } from "./delivery.ts";
import { benchKeeping } from "./keeping.ts";
import { median, render } from "./table.ts";
import type { Row } from "./table.ts";

const rounds = 60;
/** Runs at the beginning that only warm the caches. */
const warming = 5;

/** The yardstick: as little as Node can do to listen and say so. */
const listener = `const { createServer } = require("node:net");
createServer().listen(0, () => require("node:fs").writeSync(2, "waiting\\n"));
`;

const settings = words(
  "-e WIS_LISTEN=0.0.0.0:0 -e VAULT_ADDR=http://127.0.0.1:8200 -e WIS_HMAC_KEY=PPdRfsVlbj5U9fa46RKkketChkYaZ1HsDQnA8dA1ZeQ -e WIS_TASK_ARN=arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef0123456789abcdef -e WIS_CONTAINER_NAME=web -e WIS_LOG_LEVEL=info",
);

/** Measures, and writes a table. */
export async function benchEntrypoint(
  write: (line: string) => void,
): Promise<void> {
  if (noBundle) {
    throw new Error("the bench needs Docker and the tools of the bundle");
  }
  try {
    setPriority(-20);
  } catch {
    write("not root: this process has no more than its share of the machine");
  }
  const kit = await Kit.make(["scratch", "busybox"]);
  try {
    const bare = await bareNode();
    const rows = [
      await start(kit, bare),
      ...(await memory(kit)),
      await benchKeeping(kit, bare),
      ...(await benchDelivery(kit, bare)),
    ];
    const load = loadavg().map((one) => one.toFixed(1));
    write(
      `${availableParallelism()} cores; load of the last 1, 5 and 15 minutes ${load.join(", ")}, the bench's own with it`,
    );
    render(rows).forEach(write);
  } finally {
    await kit.close();
  }
}

/** The arguments of `docker run` that put a bare Node and its libraries into an image that has none. */
async function bareNode(): Promise<string[]> {
  const libraries = (await must("ldd", [process.execPath])).match(
    /\/\S+(?= \(0x)/g,
  );
  return [
    ...words(`-v ${process.execPath}:/bare/node:ro`),
    ...(libraries ?? []).flatMap((path) => ["-v", `${path}:${path}:ro`]),
  ];
}

async function start(kit: Kit, bareOptions: readonly string[]): Promise<Row> {
  const timer = join(kit.out, "timer");
  const source = fileURLToPath(new URL("timer.c", import.meta.url));
  await must("musl-gcc", ["-std=c11", "-Os", "-static", "-o", timer, source]);
  await writeFile(join(kit.out, "listen.cjs"), listener);
  const output = await must("docker", [
    ...words(`run --rm --cpu-shares 262144 -v ${kit.out}:/bench:ro`),
    ...bareOptions,
    ...kit.mount,
    ...settings,
    kit.image("scratch"),
    ...words(`/bench/timer ${rounds + warming}`),
    ...words("-- /bare/node /bench/listen.cjs"),
    ...words("-- /vaultbuddy/entrypoint /probe"),
  ]);
  const times = output
    .split("\n")
    .slice(warming * 2)
    .map((line) => Number(line.split(" ")[1]));
  const bare = times.filter((_, index) => index % 2 === 0);
  const ours = times.filter((_, index) => index % 2 === 1);
  const ms = (all: readonly number[]): string => (median(all) / 1e6).toFixed(1);
  return {
    what: "start to listening, as a ratio to a bare Node that listens",
    // Neighbours are compared, because whatever else this machine does comes and goes.
    values: ours.map((ns, round) => ns / (bare[round] ?? 0)),
    unit: "×",
    bar: 1.2,
    note: `${ms(ours)} ms to ${ms(bare)} ms`,
  };
}

async function memory(kit: Kit): Promise<Row[]> {
  const waiting = await observe(kit, settings);
  const after = await observe(kit, words("-e WIS_MODE=off"));
  const without = await observe(kit, undefined);
  const mib = (kib: number): number => kib / 1024;
  return [
    {
      what: "resident while it waits",
      values: [mib(waiting.Rss)],
      unit: "MiB",
      bar: 60,
      note: `${mib(waiting.Pss_Anon).toFixed(1)} MiB its own, the rest files that containers of a host share; ${waiting.threads} threads`,
    },
    {
      what: "after exec, processes more than without the entrypoint",
      values: [after.processes - without.processes],
      unit: "processes",
      bar: 0,
      note: `${after.threads} thread of ${after.Rss} KiB; without the entrypoint ${without.threads} of ${without.Rss} KiB`,
    },
  ];
}

interface Observed {
  readonly Rss: number;
  readonly Pss_Anon: number;
  readonly threads: number;
  readonly processes: number;
}

/** Process 1 of a container with busybox's sleep as its command: behind the entrypoint, or without where there are no settings. */
async function observe(
  kit: Kit,
  options: readonly string[] | undefined,
): Promise<Observed> {
  const id = await must("docker", [
    ...words("run -d"),
    ...kit.mount,
    ...(options ?? []),
    kit.image("busybox"),
    ...(options === undefined ? [] : ["/vaultbuddy/entrypoint"]),
    ...words("/bin/busybox sleep 1000"),
  ]);
  try {
    // Everything that is loaded after listening is there by then.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const ask = (...command: string[]): Promise<string> =>
      must("docker", ["exec", id, "/bin/busybox", ...command]);
    const rollup = await ask("cat", "/proc/1/smaps_rollup");
    const status = await ask("cat", "/proc/1/status");
    const field = (text: string, name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1]);
    const top = await must("docker", ["top", id, "-o", "pid"]);
    return {
      Rss: field(rollup, "Rss"),
      Pss_Anon: field(rollup, "Pss_Anon"),
      threads: field(status, "Threads"),
      processes: top.split("\n").length - 1,
    };
  } finally {
    await run("docker", ["rm", "-f", id]);
  }
}
