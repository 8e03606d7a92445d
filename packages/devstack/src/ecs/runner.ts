// What every task run stands on: the engine, the stack's own network and names, the settable delays; and the register of
// runs, through which a container's metadata and events find their task. Closing it removes all that it made.

import {
  devstackLabel,
  type Engine,
  EngineError,
  type Health,
  type NetworkFacts,
} from "../engine/engine.ts";
import type { Clock, Hex } from "./clock.ts";
import type { ContainerRun } from "./container-run.ts";
import type { TaskRun } from "./task-run.ts";

/** The stand-in's times, in milliseconds, changeable while it runs. The defaults are short, not AWS's. */
export interface Delays {
  /** How long a new task is MISSING. */
  missingMs: number;
  provisioningMs: number;
  pendingMs: number;
  /** How long the image pull takes. */
  pullMs: number;
  /** How late container states of a PENDING task become visible; 10 to 30 s on AWS. */
  batchMs: number;
  activatingMs: number;
  deactivatingMs: number;
  stoppingMs: number;
  deprovisioningMs: number;
  /** How long a stopped task is still described. */
  stoppedKeepMs: number;
  /** Between SIGTERM and SIGKILL where a container says no `stopTimeout`. */
  stopTimeoutMs: number;
}

export const defaultDelays: Delays = {
  missingMs: 0,
  provisioningMs: 0,
  pendingMs: 0,
  pullMs: 0,
  batchMs: 50,
  activatingMs: 0,
  deactivatingMs: 0,
  stoppingMs: 0,
  deprovisioningMs: 0,
  stoppedKeepMs: 3_600_000,
  stopTimeoutMs: 30_000,
};

export interface RunnerOptions {
  readonly clock: Clock;
  readonly hex: Hex;
  readonly delays: Delays;
  readonly engine: Engine | undefined;
  /** Values of Secrets Manager and Parameter Store, by `valueFrom`. */
  readonly secrets: Map<string, string>;
  /** What the agent of this cluster writes into the cluster label. */
  readonly clusterLabel: "name" | "arn";
  readonly region: string;
}

const stackLabel = `${devstackLabel}.stack`;

export class Runner {
  readonly options: RunnerOptions;
  /** Tells this stack's containers and networks from those of another on the same engine. */
  readonly stackId: string;
  readonly closed = new AbortController();
  /** `http://address:port`, once the metadata server listens. */
  metadataUrl = "";
  readonly #runs = new Set<TaskRun>();
  readonly #living = new Set<Promise<void>>();
  #network: Promise<NetworkFacts> | undefined;

  constructor(options: RunnerOptions) {
    this.options = options;
    this.stackId = options.hex(8);
    const { engine } = options;
    if (engine === undefined) return;
    this.#keep(
      engine.watch(
        this.labels,
        ({ containerId, health }) => {
          if (health !== undefined)
            this.#byContainerId(containerId)?.setHealth(health);
        },
        this.closed.signal,
      ),
    );
  }

  /** On everything this stack makes in the engine. */
  get labels(): Readonly<Record<string, string>> {
    return { [devstackLabel]: "1", [stackLabel]: this.stackId };
  }

  /** Throws when the stack was started without an engine. */
  get engine(): Engine {
    if (this.options.engine === undefined) {
      throw new EngineError(
        "unreachable",
        "this stack was started without a container engine",
      );
    }
    return this.options.engine;
  }

  get runs(): Iterable<TaskRun> {
    return this.#runs;
  }

  run(taskArn: string): TaskRun | undefined {
    return [...this.#runs].find(({ record }) => record.taskArn === taskArn);
  }

  /** Lets the task live; it ends by itself or when the runner is closed. */
  start(run: TaskRun): void {
    this.#runs.add(run);
    this.#keep(run.live().finally(() => this.#runs.delete(run)));
  }

  /** The network of awsvpc tasks, made when the first one asks. */
  network(): Promise<NetworkFacts> {
    this.#network ??= this.engine
      .createNetwork(`vaultbuddy-${this.stackId}`, this.labels)
      .catch((error: unknown) => {
        this.#network = undefined;
        throw error;
      });
    return this.#network;
  }

  /** The container behind a metadata URL. */
  byEndpoint(
    endpointId: string,
  ): { run: TaskRun; container: ContainerRun } | undefined {
    for (const run of this.#runs) {
      const container = run.containers.find(
        (one) => one.endpointId === endpointId,
      );
      if (container !== undefined) return { run, container };
    }
    return undefined;
  }

  /** Ends all runs and removes every container, network and volume of this stack. */
  async close(): Promise<void> {
    this.closed.abort(new Error("the stack is closing"));
    await Promise.allSettled(this.#living);
    await this.options.engine?.removeLabelled(`${stackLabel}=${this.stackId}`);
  }

  #byContainerId(
    id: string,
  ): { setHealth: (health: Health) => void } | undefined {
    return [...this.#runs]
      .flatMap((run) => run.containers)
      .find((one) => one.id === id);
  }

  #keep(work: Promise<void>): void {
    // A run ends in its record and a watch in silence: neither has a failure left that somebody could act on here.
    const over = (): void => void this.#living.delete(kept);
    const kept = work.then(over, over);
    this.#living.add(kept);
  }
}
