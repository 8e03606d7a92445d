// What the API shows of a running task, as against what is so: ECS learns of the containers of a PENDING task in batches,
// so their states become visible late; from RUNNING on, and with each change of the task's own state, at once.

import type { Clock } from "./clock.ts";
import type { ContainerRun } from "./container-run.ts";
import type { Attachment, ContainerRecord, TaskRecord } from "./records.ts";

const beforeRunning = ["PROVISIONING", "PENDING", "ACTIVATING"];

/** A pull's times and an interface's addresses travel with the containers' states. */
export interface Report {
  pullStartedAt?: number;
  pullStoppedAt?: number;
  attachment?: Attachment;
}

export class Publisher {
  readonly report: Report = {};
  readonly #record: TaskRecord;
  readonly #containers: () => readonly ContainerRun[];
  readonly #clock: Clock;
  readonly #lateMs: () => number;
  readonly #closed: AbortSignal;
  #waiting = false;

  constructor(
    record: TaskRecord,
    containers: () => readonly ContainerRun[],
    deps: {
      readonly clock: Clock;
      readonly lateMs: () => number;
      readonly closed: AbortSignal;
    },
  ) {
    this.#record = record;
    this.#containers = containers;
    this.#clock = deps.clock;
    this.#lateMs = deps.lateMs;
    this.#closed = deps.closed;
  }

  /** Something of a container changed. */
  changed(): void {
    const late = this.#lateMs();
    if (late <= 0 || !beforeRunning.includes(this.#record.lastStatus))
      return this.flush();
    if (this.#waiting) return;
    this.#waiting = true;
    this.#clock.sleep(late, this.#closed).then(
      () => {
        if (this.#waiting) this.flush();
      },
      () => undefined,
    );
  }

  /** Shows all that is so. */
  flush(): void {
    this.#waiting = false;
    const { pullStartedAt, pullStoppedAt, attachment } = this.report;
    if (pullStartedAt !== undefined) this.#record.pullStartedAt = pullStartedAt;
    if (pullStoppedAt !== undefined) this.#record.pullStoppedAt = pullStoppedAt;
    if (attachment !== undefined)
      this.#record.attachments = [structuredClone(attachment)];
    for (const container of this.#containers()) {
      const shown = this.#record.containers.find(
        ({ name }) => name === container.name,
      );
      if (shown !== undefined) show(container, shown, attachment);
    }
    this.#record.healthStatus = taskHealth(this.#containers());
    this.#record.version += 1;
  }
}

function show(
  container: ContainerRun,
  shown: ContainerRecord,
  attachment: Attachment | undefined,
): void {
  const { id, facts, exitCode, reason } = container;
  shown.lastStatus = container.status;
  shown.healthStatus = container.health;
  if (id !== undefined && facts !== undefined) shown.runtimeId = id;
  if (facts !== undefined) {
    shown.imageDigest = facts.imageDigest;
    shown.networkBindings = facts.ports.map(
      ({ bindIp, containerPort, hostPort, protocol }) => ({
        bindIP: bindIp,
        containerPort,
        hostPort,
        protocol,
      }),
    );
  }
  const address = attachment?.details.find(
    ({ name }) => name === "privateIPv4Address",
  )?.value;
  if (attachment !== undefined && address !== undefined) {
    shown.networkInterfaces = [
      { attachmentId: attachment.id, privateIpv4Address: address },
    ];
  }
  if (exitCode !== undefined) shown.exitCode = exitCode;
  if (reason !== undefined) shown.reason = reason.slice(0, 255);
}

function taskHealth(containers: readonly ContainerRun[]): string {
  const checked = containers.filter(
    ({ definition }) =>
      definition.healthCheck !== undefined && definition.essential,
  );
  if (checked.some(({ health }) => health === "UNHEALTHY")) return "UNHEALTHY";
  return checked.length > 0 &&
    checked.every(({ health }) => health === "HEALTHY")
    ? "HEALTHY"
    : "UNKNOWN";
}
