// One container of a task from its creation to its last exit: created, started, watched, restarted by its restart
// policy. It knows nothing of the task's other containers; who waits for it awaits `started`, `healthy` or `exited`.

import type {
  ContainerFacts,
  ContainerSpec,
  Engine,
  Health,
} from "../engine/engine.ts";
import type { Clock } from "./clock.ts";
import type { ContainerDefinition } from "./definition-input.ts";

/** Events get lost with a cut stream; so health is also asked for this often. */
const healthPollMs = 1_000;

export interface ContainerDeps {
  readonly engine: Engine;
  readonly clock: Clock;
  /** Aborted when the whole stack goes. */
  readonly closed: AbortSignal;
  /** True from the moment the task is to stop: nothing is restarted then. */
  readonly stopping: () => boolean;
  /** Called after each change of what the API shows. */
  readonly changed: () => void;
}

export class ContainerRun {
  readonly definition: ContainerDefinition;
  /** The unguessable part of its metadata URL. */
  readonly endpointId: string;
  /** Docker's id, from creation on. */
  id: string | undefined;
  status: "PENDING" | "RUNNING" | "STOPPED" = "PENDING";
  health: Health = "UNKNOWN";
  facts: ContainerFacts | undefined;
  exitCode: number | undefined;
  /** Why it did not start. */
  reason: string | undefined;
  restarts = 0;
  readonly started = Promise.withResolvers<void>();
  readonly healthy = Promise.withResolvers<void>();
  /** Resolves with the exit code, or undefined when it never ran. */
  readonly exited = Promise.withResolvers<number | undefined>();
  readonly #deps: ContainerDeps;
  #starting = false;
  #lastStart = 0;

  constructor(
    definition: ContainerDefinition,
    endpointId: string,
    deps: ContainerDeps,
  ) {
    this.definition = definition;
    this.endpointId = endpointId;
    this.#deps = deps;
  }

  get name(): string {
    return this.definition.name;
  }

  /** Creates and starts it, and watches it from then on. Never rejects: a failure makes it STOPPED with a reason. */
  async start(spec: ContainerSpec): Promise<void> {
    const { engine, clock, closed } = this.#deps;
    this.#starting = true;
    try {
      this.id = await engine.create(spec);
    } catch (error) {
      return this.#fail("CannotCreateContainerError", error);
    }
    try {
      this.#lastStart = clock.now();
      await engine.start(this.id);
      this.facts = await engine.inspect(this.id);
    } catch (error) {
      return this.#fail("CannotStartContainerError", error);
    }
    this.status = "RUNNING";
    this.started.resolve();
    this.#deps.changed();
    this.#watch(this.id, closed).catch((error: unknown) =>
      this.#fail("ContainerRuntimeError", error),
    );
    if (this.definition.healthCheck !== undefined)
      this.#pollHealth(this.id, closed).catch(() => undefined);
  }

  /** It will not be started: its task ended, or what it depends on failed. One that is being started is let be. */
  abandon(reason?: string): void {
    if (this.status === "PENDING" && !this.#starting)
      this.#settle(undefined, reason);
  }

  setHealth(health: Health): void {
    if (health === this.health || this.status !== "RUNNING") return;
    this.health = health;
    if (health === "HEALTHY") this.healthy.resolve();
    this.#deps.changed();
  }

  async #watch(id: string, closed: AbortSignal): Promise<void> {
    for (;;) {
      const { exitCode } = await this.#deps.engine.wait(id, closed);
      if (!this.#restartable(exitCode)) return this.#settle(exitCode);
      this.restarts += 1;
      this.#lastStart = this.#deps.clock.now();
      await this.#deps.engine.start(id);
      // Same container, same id; but the engine picks its ephemeral ports anew.
      this.facts = await this.#deps.engine.inspect(id);
      this.#deps.changed();
    }
  }

  /** The agent's rule: a container that ran for less than the attempt period since its last start is not restarted. */
  #restartable(exitCode: number): boolean {
    const policy = this.definition.restartPolicy;
    if (policy?.enabled !== true || this.#deps.stopping()) return false;
    if (policy.ignoredExitCodes.includes(exitCode)) return false;
    return (
      this.#deps.clock.now() - this.#lastStart >=
      policy.restartAttemptPeriod * 1000
    );
  }

  async #pollHealth(id: string, closed: AbortSignal): Promise<void> {
    while (this.status === "RUNNING") {
      await this.#deps.clock.sleep(healthPollMs, closed);
      const { health } = await this.#deps.engine.inspect(id);
      this.setHealth(health);
    }
  }

  #fail(kind: string, error: unknown): void {
    // A container whose stack is closing did not fail.
    if (this.#deps.closed.aborted) return this.#settle(undefined);
    this.#settle(
      undefined,
      `${kind}: ${error instanceof Error ? error.message.trim() : "unknown failure"}`,
    );
  }

  #settle(exitCode: number | undefined, reason?: string): void {
    this.status = "STOPPED";
    this.exitCode = exitCode;
    this.reason = reason;
    this.started.resolve();
    this.exited.resolve(exitCode);
    this.#deps.changed();
  }
}
