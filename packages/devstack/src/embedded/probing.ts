// How a running container is probed: with a process of its own, in the container's files and environment.

import type { Container } from "./container.ts";
import { Health, probeCommand } from "./health.ts";
import type { Parts } from "./parts.ts";
import { startProcess } from "./workload.ts";

/** Probes until the signal; undefined when nothing is to be probed. */
export function watchHealth(
  container: Container,
  address: string,
  signal: AbortSignal,
  parts: Parts,
): Health | undefined {
  const test = container.made.config.health;
  const argv = probeCommand(test?.test ?? []);
  if (test === undefined || argv === undefined) return undefined;
  const health = new Health(
    {
      test,
      instants: parts.instants,
      hex: parts.hex,
      sleep: parts.sleep,
      emit: (action, more) => container.emit(action, more),
      run: async (words, output, over) => {
        const command = container.command(words, address);
        const probe = await startProcess(command, parts.spawning, (_, chunk) =>
          output(chunk),
        );
        if (over.aborted) probe.signal(9);
        over.addEventListener("abort", () => probe.signal(9), { once: true });
        return probe.ended;
      },
    },
    argv,
  );
  void health.watch(signal);
  return health;
}
