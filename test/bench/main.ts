// `npx --yes pnpm@12 bench NAME`: measures one part against a yardstick of the same run, and prints ratios.

import { benchAgent } from "./agent.ts";
import { benchEntrypoint } from "./entrypoint.ts";

const benches: Readonly<
  Record<string, (write: (line: string) => void) => Promise<void>>
> = { agent: benchAgent, entrypoint: benchEntrypoint };

const bench = benches[process.argv[2] ?? ""];
if (bench === undefined) {
  process.stderr.write(`usage: bench ${Object.keys(benches).join("|")}\n`);
  process.exitCode = 2;
} else {
  await bench((line) => void process.stdout.write(`${line}\n`));
}
