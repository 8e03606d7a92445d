// Fakes for the tests of a task's life: a clock that moves when it is told to, and an engine whose containers do what a
// test says. Neither ever waits for real time.

import {
  type ContainerFacts,
  type ContainerSpec,
  type Engine,
  EngineError,
  type EngineEvent,
  type Health,
  type NetworkFacts,
} from "../engine/engine.ts";
import type { Clock, Hex } from "./clock.ts";

/** Lets everything that can go on without time passing go on. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export class ManualClock implements Clock {
  #now = Date.UTC(2026, 0, 1);
  #sleepers: { readonly at: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true)
        return reject(new Error("aborted", { cause: signal.reason }));
      const sleeper = { at: this.#now + ms, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", () => {
        this.#sleepers = this.#sleepers.filter((one) => one !== sleeper);
        reject(new Error("aborted", { cause: signal.reason }));
      });
    });
  }

  /** Moves on, waking sleepers in order, each before time goes past it. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settled();
    for (;;) {
      const next = this.#sleepers.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > until) break;
      this.#now = Math.max(this.#now, next.at);
      this.#sleepers = this.#sleepers.filter((one) => one !== next);
      next.wake();
      await settled();
    }
    this.#now = until;
    await settled();
  }
}

/** Hex digits that count up, so that ids differ and a test can be repeated. */
export function countingHex(): Hex {
  let count = 0;
  return (digits) => {
    count += 1;
    return count.toString(16).padStart(digits, "0");
  };
}

interface FakeContainer {
  readonly spec: ContainerSpec;
  status: ContainerFacts["status"];
  exitCode: number;
  health: Health;
  starts: number;
  waiters: ((result: { exitCode: number }) => void)[];
}

export class FakeEngine implements Engine {
  readonly containers = new Map<string, FakeContainer>();
  /** Everything asked for, in order: `create web`, `start web`, `stop web 30`, … */
  readonly calls: string[] = [];
  readonly images = new Set(["app"]);
  /** Names of containers whose start fails. */
  readonly broken = new Set<string>();
  readonly networks: string[] = [];
  readonly volumes: string[] = [];
  #onEvent: ((event: EngineEvent) => void) | undefined;
  #count = 0;

  async ping(): Promise<{ apiVersion: string }> {
    return { apiVersion: "1.41" };
  }

  async hostAddress(): Promise<string> {
    return "127.0.0.1";
  }

  async imageDigest(image: string): Promise<string | undefined> {
    return this.images.has(image) ? `sha256:${"d".repeat(64)}` : undefined;
  }

  async pauseImage(): Promise<string> {
    return "pause";
  }

  async create(spec: ContainerSpec): Promise<string> {
    this.#count += 1;
    const id = this.#count.toString(16).padStart(64, "0");
    this.calls.push(`create ${nameIn(spec)}`);
    this.containers.set(id, {
      spec,
      status: "created",
      exitCode: 0,
      health: "UNKNOWN",
      starts: 0,
      waiters: [],
    });
    return id;
  }

  async start(id: string): Promise<void> {
    const container = this.#get(id);
    this.calls.push(`start ${nameIn(container.spec)}`);
    if (this.broken.has(nameIn(container.spec)))
      throw new EngineError("refused", "no such file: /missing");
    container.status = "running";
    container.starts += 1;
  }

  async stop(id: string, graceSeconds: number): Promise<void> {
    this.calls.push(`stop ${nameIn(this.#get(id).spec)} ${graceSeconds}`);
    this.exit(id, 143);
  }

  async kill(id: string): Promise<void> {
    this.exit(id, 137);
  }

  async remove(id: string): Promise<void> {
    this.calls.push(`remove ${nameIn(this.#get(id).spec)}`);
    this.containers.delete(id);
  }

  async inspect(id: string): Promise<ContainerFacts> {
    const { spec, status, exitCode, health, starts } = this.#get(id);
    return {
      id,
      name: spec.name,
      imageDigest: `sha256:${"d".repeat(64)}`,
      status,
      ...(status === "exited" && { exitCode }),
      createdAt: 0,
      startedAt: 0,
      health,
      // A real engine picks an ephemeral port anew at each start.
      ports: (spec.ports ?? []).map(
        ({ containerPort, hostPort, protocol }) => ({
          bindIp: "0.0.0.0",
          containerPort,
          hostPort: hostPort === 0 ? 32_767 + starts : hostPort,
          protocol,
        }),
      ),
      addresses:
        spec.network.kind === "shared" || spec.network.kind === "host"
          ? []
          : [address],
    };
  }

  wait(id: string, signal: AbortSignal): Promise<{ exitCode: number }> {
    const container = this.#get(id);
    if (container.status === "exited")
      return Promise.resolve({ exitCode: container.exitCode });
    return new Promise((resolve, reject) => {
      container.waiters.push(resolve);
      signal.addEventListener("abort", () =>
        reject(new EngineError("unreachable", "aborted")),
      );
    });
  }

  async logs(id: string): Promise<string> {
    return `log of ${nameIn(this.#get(id).spec)}`;
  }

  async createNetwork(name: string): Promise<NetworkFacts> {
    this.networks.push(name);
    return { id: name, name, subnet: "172.30.0.0/16", gateway: "172.30.0.1" };
  }

  async removeNetwork(): Promise<void> {
    this.networks.pop();
  }

  async createVolume(name: string): Promise<void> {
    this.volumes.push(name);
  }

  watch(
    _: Readonly<Record<string, string>>,
    onEvent: (event: EngineEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    this.#onEvent = onEvent;
    return new Promise((resolve) =>
      signal.addEventListener("abort", () => resolve()),
    );
  }

  async removeLabelled(): Promise<{
    containers: number;
    networks: number;
    images: number;
  }> {
    const containers = this.containers.size;
    this.containers.clear();
    this.networks.length = 0;
    return { containers, networks: 0, images: 0 };
  }

  /** The container of this name ends by itself. */
  exit(id: string, exitCode: number): void {
    const container = this.#get(id);
    container.status = "exited";
    container.exitCode = exitCode;
    for (const done of container.waiters.splice(0)) done({ exitCode });
  }

  /** Its health check has a result, which the engine's events tell. */
  setHealth(id: string, health: Health): void {
    this.#get(id).health = health;
    this.#onEvent?.({ containerId: id, kind: "health", health });
  }

  /** The id of a task's container by its name in the definition. */
  idOf(name: string): string {
    const found = [...this.containers].find(
      ([, { spec }]) => nameIn(spec) === name,
    )?.[0];
    if (found === undefined) throw new Error(`no container ${name}`);
    return found;
  }

  #get(id: string): FakeContainer {
    const container = this.containers.get(id);
    if (container === undefined)
      throw new EngineError("absent", `no such container: ${id}`);
    return container;
  }
}

const address = {
  network: "stack",
  ipv4: "172.30.0.2",
  macAddress: "02:42:ac:1e:00:02",
  gateway: "172.30.0.1",
};

function nameIn(spec: ContainerSpec): string {
  return spec.labels["com.amazonaws.ecs.container-name"] ?? spec.name;
}
