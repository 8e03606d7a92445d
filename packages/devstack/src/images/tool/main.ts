// The program of the image vaultbuddy-devstack: the stand-ins and one-shot jobs that docker-compose.yml starts, each by
// its name. `node /app/devstack.mjs JOB ARGUMENTS`.

import { createKeys } from "./keys.ts";
import { standInForEcs } from "./ecs.ts";
import { runTask } from "./run-task.ts";
import { standInForVault } from "./vault.ts";
import type { Job } from "./job.ts";

const jobs: Readonly<Record<string, Job>> = {
  ecs: standInForEcs,
  keys: createKeys,
  "run-task": runTask,
  vault: standInForVault,
};

const [, , name = "", ...args] = process.argv;
const stopped = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => resolve());
  }
});

try {
  const job = Object.hasOwn(jobs, name) ? jobs[name] : undefined;
  if (job === undefined) {
    throw new Error(`usage: devstack.mjs ${Object.keys(jobs).join("|")} …`);
  }
  await job(args, {
    env: process.env,
    print: (line) => process.stdout.write(`${line}\n`),
    stopped,
  });
} catch (error) {
  process.stderr.write(
    `${name}: ${error instanceof Error ? error.message : "failed"}\n`,
  );
  process.exitCode = 1;
}
