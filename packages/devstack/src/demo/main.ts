// `npx --yes pnpm@12 demo [--keep]`: the demo as a process.

import { parseArgs } from "node:util";
import { demo } from "./demo.ts";

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const { values } = parseArgs({
  options: { keep: { type: "boolean", default: false } },
});
const stopped = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => resolve());
  }
});

try {
  await demo({ keep: values.keep, stopped, print });
  print("Done.");
} catch (error) {
  process.stderr.write(
    `${String(error instanceof Error ? error.stack : error)}\n`,
  );
  process.exitCode = 1;
}
