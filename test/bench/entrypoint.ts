// What the entrypoint costs: from a container's start until it listens, as a ratio to a bare Node that opens a listener
// in the same container, one after the other; and the memory while it waits and once the command runs.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { must, run, words } from "../bundle/docker.ts";
import { Kit, noBundle } from "../bundle/kit.ts";

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

/** Measures, and writes a line for each figure. */
export async function benchEntrypoint(
  write: (line: string) => void,
): Promise<void> {
  if (noBundle) {
    throw new Error("the bench needs Docker and the tools of the bundle");
  }
  const kit = await Kit.make(["scratch", "busybox"]);
  try {
    await start(kit, write);
    await memory(kit, write);
  } finally {
    await kit.close();
  }
}

async function start(kit: Kit, write: (line: string) => void): Promise<void> {
  const timer = join(kit.out, "timer");
  const source = fileURLToPath(new URL("timer.c", import.meta.url));
  await must("musl-gcc", ["-std=c11", "-Os", "-static", "-o", timer, source]);
  await writeFile(join(kit.out, "listen.cjs"), listener);
  const libraries = (await must("ldd", [process.execPath])).match(
    /\/\S+(?= \(0x)/g,
  );
  const output = await must("docker", [
    ...words(`run --rm -v ${kit.out}:/bench:ro`),
    ...words(`-v ${process.execPath}:/bare/node:ro`),
    ...(libraries ?? []).flatMap((path) => ["-v", `${path}:${path}:ro`]),
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
  // Neighbours are compared, because whatever else this machine does comes and goes.
  const ratio = median(ours.map((ns, round) => ns / (bare[round] ?? 0)));
  const ms = (all: readonly number[]): string => (median(all) / 1e6).toFixed(1);
  write(
    `start to listening: ${ratio.toFixed(2)} × a bare Node (median of ${rounds} pairs: about ${ms(ours)} ms to ${ms(bare)} ms; bar 1.20)`,
  );
}

async function memory(kit: Kit, write: (line: string) => void): Promise<void> {
  const waiting = await observe(kit, settings);
  const after = await observe(kit, words("-e WIS_MODE=off"));
  const without = await observe(kit, undefined);
  const mb = (kb: number): string => (kb / 1024).toFixed(1);
  write(
    `while it waits: ${mb(waiting.Rss)} MiB resident, of which ${mb(waiting.Pss_Anon)} MiB its own and the rest files that containers of a host share; ${waiting.threads} threads (bar 60 MiB)`,
  );
  write(
    `after exec: ${after.processes} process of ${after.Rss} KiB; without the entrypoint ${without.processes} of ${without.Rss} KiB`,
  );
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

function median(values: readonly number[]): number {
  const inOrder = values.toSorted((a, b) => a - b);
  return inOrder[Math.floor(inOrder.length / 2)] ?? Number.NaN;
}
