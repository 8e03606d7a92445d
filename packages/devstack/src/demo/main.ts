// `npx --yes pnpm@12 demo [--keep]`: the demo as a process.

import { parseArgs } from "node:util";
import { EngineError } from "../engine/engine.ts";
import { demo } from "./demo.ts";

const missing = `The demo runs real containers and found no Docker.
On Debian or Ubuntu, as root: apt-get install docker.io libatomic1, then start it (systemctl start docker, or dockerd &).
Elsewhere see https://docs.docker.com/engine/install/. Another address than /var/run/docker.sock goes into DOCKER_HOST.`;

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
  const absent = error instanceof EngineError && error.kind === "unreachable";
  process.stderr.write(
    `${absent ? missing : String(error instanceof Error ? error.stack : error)}\n`,
  );
  process.exitCode = 1;
}
