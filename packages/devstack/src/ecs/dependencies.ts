// dependsOn: what a container waits for before it starts, and in which order containers are stopped.

import type { Clock } from "./clock.ts";
import type { ContainerRun } from "./container-run.ts";
import type { DependencyCondition } from "./definition-input.ts";

/** The agent's time to give up on a dependency that names no startTimeout of its own. */
const defaultStartTimeoutSeconds = 180;

/** Resolves when all that `container` depends on is as it should be; rejects when that can't be any more, or in time. */
export async function dependenciesMet(
  container: ContainerRun,
  all: readonly ContainerRun[],
  deps: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  for (const { containerName, condition } of container.definition.dependsOn ??
    []) {
    const other = all.find(({ name }) => name === containerName);
    if (other === undefined) continue;
    const seconds = other.definition.startTimeout ?? defaultStartTimeoutSeconds;
    const done = new AbortController();
    try {
      await Promise.race([
        reached(other, condition),
        timeout(
          seconds,
          `${other.name} did not become ${condition}`,
          deps,
          done.signal,
        ),
      ]);
    } finally {
      done.abort();
    }
  }
}

async function reached(
  other: ContainerRun,
  condition: DependencyCondition,
): Promise<void> {
  switch (condition) {
    case "START":
      return other.started.promise;
    case "COMPLETE":
      await other.exited.promise;
      return;
    case "SUCCESS": {
      const code = await other.exited.promise;
      if (code !== 0)
        throw new Error(`dependency ${other.name} did not exit with 0`);
      return;
    }
    case "HEALTHY": {
      const gone = other.exited.promise.then(() => {
        throw new Error(
          `dependency ${other.name} stopped before it was healthy`,
        );
      });
      return Promise.race([other.healthy.promise, gone]);
    }
  }
}

async function timeout(
  seconds: number,
  message: string,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  done: AbortSignal,
): Promise<never> {
  await clock.sleep(seconds * 1000, AbortSignal.any([signal, done]));
  throw new Error(`${message} within ${seconds} s`);
}

/** Stops each container after those that depend on it. */
export async function stopInOrder(
  containers: readonly ContainerRun[],
  stop: (container: ContainerRun) => Promise<void>,
): Promise<void> {
  const done = new Map<ContainerRun, Promise<void>>();
  const stopped = (one: ContainerRun): Promise<void> => {
    const found = done.get(one);
    if (found !== undefined) return found;
    const dependents = containers.filter(({ definition }) =>
      (definition.dependsOn ?? []).some(
        ({ containerName }) => containerName === one.name,
      ),
    );
    const work = Promise.all(dependents.map(stopped)).then(() => stop(one));
    done.set(one, work);
    return work;
  };
  await Promise.all(containers.map(stopped));
}
