// What the account holds: clusters with their one container instance each, families of task definitions, tasks. In
// memory only; a task is visible from a moment after its birth until a while after its end, as in ECS.

import { arn, type Place } from "./arn.ts";
import type { Clock, Hex } from "./clock.ts";
import type { TaskDefinition, TaskRecord } from "./records.ts";

export interface Cluster {
  readonly name: string;
  readonly arn: string;
}

/** An EC2 instance as a member of a cluster. */
export interface Instance {
  readonly arn: string;
  readonly cluster: string;
  readonly ec2InstanceId: string;
  /** The address published ports are dialled at. */
  readonly privateIpAddress: string;
  readonly registeredAt: number;
}

/** A task, and when the API knows of it. Milliseconds. */
export interface TaskEntry {
  readonly cluster: string;
  readonly record: TaskRecord;
  readonly visibleFrom: number;
  visibleUntil?: number;
}

export class Store {
  readonly place: Place;
  readonly clock: Clock;
  readonly hex: Hex;
  readonly clusters = new Map<string, Cluster>();
  readonly instances = new Map<string, Instance>();
  readonly #families = new Map<string, TaskDefinition[]>();
  readonly #tasks = new Map<string, TaskEntry>();
  readonly #instanceAddress: string;

  constructor(place: Place, clock: Clock, hex: Hex, instanceAddress: string) {
    this.place = place;
    this.clock = clock;
    this.hex = hex;
    this.#instanceAddress = instanceAddress;
  }

  /** The cluster of this name; made, with one instance, if it isn't there. */
  addCluster(name: string): Cluster {
    const found = this.clusters.get(name);
    if (found !== undefined) return found;
    const cluster = { name, arn: arn(this.place, `cluster/${name}`) };
    this.clusters.set(name, cluster);
    this.addInstance(name, this.#instanceAddress);
    return cluster;
  }

  addInstance(cluster: string, privateIpAddress: string): Instance {
    const instance = {
      arn: arn(this.place, `container-instance/${cluster}/${this.hex(32)}`),
      cluster,
      ec2InstanceId: `i-${this.hex(17)}`,
      privateIpAddress,
      registeredAt: this.clock.now(),
    };
    this.instances.set(instance.arn, instance);
    return instance;
  }

  instancesOf(cluster: string): Instance[] {
    return [...this.instances.values()].filter(
      (one) => one.cluster === cluster,
    );
  }

  revisionsOf(family: string): readonly TaskDefinition[] {
    return this.#families.get(family) ?? [];
  }

  addRevision(definition: TaskDefinition): void {
    this.#families.set(definition.family, [
      ...this.revisionsOf(definition.family),
      definition,
    ]);
  }

  allDefinitions(): TaskDefinition[] {
    return [...this.#families.values()].flat();
  }

  /** By family (the newest revision), `family:revision` or ARN. */
  definition(name: string): TaskDefinition | undefined {
    const prefix = arn(this.place, "task-definition/");
    const short = name.startsWith(prefix) ? name.slice(prefix.length) : name;
    const [family = "", revision, ...more] = short.split(":");
    if (more.length > 0) return undefined;
    const all = this.revisionsOf(family);
    return revision === undefined
      ? all.at(-1)
      : all.find((one) => String(one.revision) === revision);
  }

  addTask(entry: TaskEntry): void {
    this.#tasks.set(entry.record.taskArn, entry);
  }

  removeTask(taskArn: string): void {
    this.#tasks.delete(taskArn);
  }

  /** The task, whether or not the API shows it now. */
  task(taskArn: string): TaskEntry | undefined {
    return this.#tasks.get(taskArn);
  }

  /** The task as the API knows it: undefined before it has spread and after it was forgotten. */
  visibleTask(taskArn: string): TaskEntry | undefined {
    const entry = this.#tasks.get(taskArn);
    return entry !== undefined && this.#visible(entry) ? entry : undefined;
  }

  visibleTasks(cluster: string): TaskEntry[] {
    return [...this.#tasks.values()].filter(
      (entry) => entry.cluster === cluster && this.#visible(entry),
    );
  }

  #visible(entry: TaskEntry): boolean {
    const now = this.clock.now();
    return (
      now >= entry.visibleFrom &&
      (entry.visibleUntil === undefined || now < entry.visibleUntil)
    );
  }
}
