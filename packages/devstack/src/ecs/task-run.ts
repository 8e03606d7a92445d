// THE LIFE of a task: PROVISIONING → PENDING → ACTIVATING → RUNNING → DEACTIVATING → STOPPING → DEPROVISIONING → STOPPED,
// with real containers. Read `live` first. Whatever fails on the way up leads to the way down, never out of it.

import type { ContainerNetwork } from "../engine/engine.ts";
import { epochSeconds } from "./clock.ts";
import { ContainerRun } from "./container-run.ts";
import {
  containerSpec,
  type SpecContext,
  volumeName,
} from "./container-spec.ts";
import { dependenciesMet, stopInOrder } from "./dependencies.ts";
import { attach, detach, type Interface } from "./network-interface.ts";
import { Publisher } from "./publisher.ts";
import type { TaskDefinition, TaskRecord } from "./records.ts";
import type { Delays, Runner } from "./runner.ts";
import { resolveSecrets } from "./secret-values.ts";
import type { Store, TaskEntry } from "./store.ts";
import { aborted, unlessAborted } from "./waiting.ts";

export class TaskRun {
  readonly entry: TaskEntry;
  readonly definition: TaskDefinition;
  readonly containers: readonly ContainerRun[];
  /** The interface of an awsvpc task, while it has one. */
  networkInterface: Interface | undefined;
  readonly #store: Store;
  readonly #runner: Runner;
  readonly #publisher: Publisher;
  readonly #stop = new AbortController();
  /** Settles when no container is being started any more. */
  #brought: Promise<unknown> = Promise.resolve();

  constructor(
    runner: Runner,
    store: Store,
    entry: TaskEntry,
    definition: TaskDefinition,
  ) {
    this.#runner = runner;
    this.#store = store;
    this.entry = entry;
    this.definition = definition;
    const { clock, delays } = runner.options;
    const closed = runner.closed.signal;
    this.#publisher = new Publisher(entry.record, () => this.containers, {
      clock,
      lateMs: () => delays.batchMs,
      closed,
    });
    this.containers = definition.containerDefinitions.map(
      (container) =>
        new ContainerRun(
          container,
          `${runner.options.hex(32)}-${runner.options.hex(10)}`,
          {
            engine: runner.engine,
            clock,
            closed,
            stopping: () => this.#stop.signal.aborted,
            changed: () => this.#publisher.changed(),
          },
        ),
    );
    // Whoever waits for a task to stop adds a listener: containers, the lifecycle, dependencies.
    this.#stop.signal.addEventListener("abort", () =>
      this.containers.forEach((one) => one.abandon()),
    );
  }

  get record(): TaskRecord {
    return this.entry.record;
  }

  /** When the agent pulled the images, as the metadata endpoint tells it. Epoch seconds. */
  get pulled(): { pullStartedAt?: number; pullStoppedAt?: number } {
    return this.#publisher.report;
  }

  /** Resolves when the task has been stopped and forgotten, or the stack is closed. Never rejects. */
  async live(): Promise<void> {
    try {
      await this.#rise();
      await aborted(this.#anyEnd());
    } catch (error) {
      this.stop(
        "TaskFailedToStart",
        error instanceof Error ? error.message : "Task failed to start",
      );
    }
    await this.#brought;
    await this.#fall().catch((error: unknown) => {
      // Only the stack's closing, or an engine that has gone, interrupts the way down; both end all there is to do.
      if (!this.#runner.closed.signal.aborted) this.#fallen(error);
    });
  }

  /** Sets the task on its way down; the first reason stays. */
  stop(code: string, reason: string): void {
    const { record } = this;
    if (record.stoppingAt !== undefined) return;
    record.desiredStatus = "STOPPED";
    record.stopCode = code;
    record.stoppedReason = reason;
    record.stoppingAt = this.#now();
    record.version += 1;
    this.#stop.abort(new Error(reason));
  }

  async #rise(): Promise<void> {
    const signal = this.#anyEnd();
    this.#watchEssentials();
    if (this.definition.networkMode === "awsvpc") {
      this.networkInterface = await attach(this.#context());
      this.#publisher.report.attachment = this.networkInterface.attachment;
    }
    await this.#pause("provisioningMs", signal);
    this.#become("PENDING");
    await this.#pause("pendingMs", signal);
    await this.#pull(signal);
    const secrets = resolveSecrets(
      this.definition,
      this.#runner.options.secrets,
    );
    for (const { name, host } of this.definition.volumes) {
      if (host?.sourcePath === undefined) {
        await this.#runner.engine.createVolume(
          volumeName(this.#context(), name),
          this.#runner.labels,
        );
      }
    }
    const bringing = this.containers.map((one) =>
      this.#bring(one, secrets.get(one.name) ?? {}, signal),
    );
    this.#brought = Promise.allSettled(bringing);
    await Promise.all(bringing);
    signal.throwIfAborted();
    this.#become("ACTIVATING");
    await this.#pause("activatingMs", signal);
    this.record.startedAt = this.#now();
    this.#become("RUNNING");
  }

  async #pull(signal: AbortSignal): Promise<void> {
    const { report } = this.#publisher;
    report.pullStartedAt = this.#now();
    for (const { image } of this.definition.containerDefinitions) {
      if ((await this.#runner.engine.imageDigest(image)) === undefined) {
        throw new Error(
          `CannotPullContainerError: no image ${image} on this machine, and nothing is pulled`,
        );
      }
    }
    await this.#pause("pullMs", signal);
    report.pullStoppedAt = this.#now();
    this.#publisher.changed();
  }

  async #bring(
    container: ContainerRun,
    secrets: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock } = this.#runner.options;
    try {
      await unlessAborted(
        dependenciesMet(container, this.containers, { clock, signal }),
        signal,
      );
      signal.throwIfAborted();
    } catch (error) {
      container.abandon(error instanceof Error ? error.message : undefined);
      throw error;
    }
    const { endpointId } = container;
    const network = this.#network();
    await container.start(
      containerSpec(this.#context(), container.definition, {
        endpointId,
        network,
        secrets,
      }),
    );
    if (container.reason !== undefined && container.definition.essential) {
      throw new Error(container.reason);
    }
  }

  #network(): ContainerNetwork {
    if (this.networkInterface !== undefined)
      return { kind: "shared", containerId: this.networkInterface.pauseId };
    const { networkMode } = this.definition;
    return { kind: networkMode === "awsvpc" ? "none" : networkMode };
  }

  #watchEssentials(): void {
    for (const container of this.containers) {
      container.exited.promise.then(
        () => {
          if (!container.definition.essential) return;
          if (container.id !== undefined)
            this.record.executionStoppedAt ??= this.#now();
          // One that ran and was then taken away did exit, whatever the engine says of it.
          const failed =
            container.reason !== undefined && container.facts === undefined;
          if (failed) this.stop("TaskFailedToStart", container.reason ?? "");
          else
            this.stop(
              "EssentialContainerExited",
              "Essential container in task exited",
            );
        },
        () => undefined,
      );
    }
  }

  async #fall(): Promise<void> {
    const closed = this.#runner.closed.signal;
    closed.throwIfAborted();
    this.#become("DEACTIVATING");
    await this.#pause("deactivatingMs", closed);
    this.#become("STOPPING");
    await this.#pause("stoppingMs", closed);
    await stopInOrder(this.containers, (one) => this.#stopContainer(one));
    this.record.executionStoppedAt ??= this.#now();
    this.#become("DEPROVISIONING");
    await this.#pause("deprovisioningMs", closed);
    if (this.networkInterface !== undefined) {
      await detach(this.#runner.engine, this.networkInterface);
      this.networkInterface.attachment.status = "DELETED";
    }
    this.#fallen();
    const keep = this.#runner.options.delays.stoppedKeepMs;
    this.entry.visibleUntil = this.#runner.options.clock.now() + keep;
    await this.#runner.options.clock.sleep(keep, closed);
    this.#store.removeTask(this.record.taskArn);
    for (const { id } of this.containers) {
      if (id !== undefined) await this.#runner.engine.remove(id);
    }
  }

  #fallen(error?: unknown): void {
    if (this.record.lastStatus === "STOPPED") return;
    if (error instanceof Error) this.record.stoppedReason = error.message;
    this.record.stoppedAt = this.#now();
    this.record.connectivity = "DISCONNECTED";
    this.#become("STOPPED");
  }

  async #stopContainer({
    id,
    definition,
    exited,
    status,
  }: ContainerRun): Promise<void> {
    if (id === undefined || status !== "RUNNING") return;
    const grace =
      definition.stopTimeout ??
      this.#runner.options.delays.stopTimeoutMs / 1000;
    await this.#runner.engine.stop(id, Math.max(0, Math.round(grace)));
    await unlessAborted(exited.promise, this.#runner.closed.signal);
  }

  #become(status: string): void {
    this.record.lastStatus = status;
    this.#publisher.flush();
  }

  async #pause(delay: keyof Delays, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const ms = this.#runner.options.delays[delay];
    if (ms > 0) await this.#runner.options.clock.sleep(ms, signal);
  }

  #context(): SpecContext {
    return {
      runner: this.#runner,
      task: this.record,
      cluster: this.entry.cluster,
      definition: this.definition,
    };
  }

  #anyEnd(): AbortSignal {
    return AbortSignal.any([this.#stop.signal, this.#runner.closed.signal]);
  }

  #now(): number {
    return epochSeconds(this.#runner.options.clock.now());
  }
}
