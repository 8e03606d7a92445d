// The embedded engine as a process: listens, says where in one line of JSON, and removes all it made when it is told to
// stop. With DOCKER_HOST set to what it says, whatever speaks to Docker speaks to it.

import { parseArgs } from "node:util";
import { startEmbeddedEngine } from "./engine.ts";

const usage = `usage: node packages/devstack/src/embedded/main.ts [flags]
  --socket PATH    where to listen (default: in a new folder under the system's for temporary files)
  --dir PATH       where that folder is made
Containers are plain processes of this machine: nothing is isolated.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      socket: { type: "string" },
      dir: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
      process.once(signal, () => resolve());
  });
  const engine = await startEmbeddedEngine({
    ...(values.socket !== undefined && { socketPath: values.socket }),
    ...(values.dir !== undefined && { parentDir: values.dir }),
  });
  const { dockerHost, hostAddress } = engine;
  process.stdout.write(
    `${JSON.stringify({ ready: true, DOCKER_HOST: dockerHost, hostAddress })}\n`,
  );
  await stopped;
  await engine.close();
  return 0;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(
      `engine: ${error instanceof Error ? error.message : "failed"}\n`,
    );
    process.exitCode = 1;
  },
);
