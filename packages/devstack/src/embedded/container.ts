// One container from its creation to its removal. Read `start` and `#ended`: whatever was taken on the way up is given
// back on the way down, in the order and with the events that Docker has.

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Command, commandOf } from "./command.ts";
import { ApiFault, notModified } from "./fault.ts";
import type { Health } from "./health.ts";
import type { Nano } from "./instant.ts";
import { Logs } from "./logs.ts";
import type { Made } from "./made.ts";
import type { Endpoint } from "./networks.ts";
import type { Parts } from "./parts.ts";
import { watchHealth } from "./probing.ts";
import type { Published } from "./publish.ts";
import { pauseBefore, startsAgain } from "./restarting.ts";
import {
  joinNetwork,
  openPorts,
  type Place,
  tellMounts,
} from "./surroundings.ts";
import { Waiters } from "./waiters.ts";
import { signalNumber, startProcess, type Workload } from "./workload.ts";

export type Status = "created" | "running" | "exited" | "removing";

interface Running {
  readonly workload: Workload;
  readonly place: Place;
  readonly published: readonly Published[];
  readonly stopped: AbortController;
  /** Settles when everything has been given back. */
  readonly over: Promise<void>;
}

export class Container {
  readonly made: Made;
  readonly logs: Logs;
  status: Status = "created";
  exitCode = 0;
  error = "";
  startedAt: Nano | undefined;
  finishedAt: Nano | undefined;
  restarts = 0;
  health: Health | undefined;
  endpoint: Endpoint | undefined;
  published: readonly Published[] = [];
  readonly #parts: Parts;
  #running: Running | undefined;
  /** Starts and stops of one container come one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #starting: Promise<void> | undefined;
  #stopAsked = false;
  #pause = 0;
  readonly #waiters = new Waiters();

  constructor(made: Made, parts: Parts) {
    this.made = made;
    this.#parts = parts;
    this.logs = new Logs(parts.instants);
  }

  get id(): string {
    return this.made.id;
  }

  get pid(): number {
    return this.#running?.workload.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Where it listens while it runs: what a container that shares its network gets too. */
  get address(): string | undefined {
    return this.#running?.place.address;
  }

  /** Throws `not modified` when it runs already, and the fault that Docker has for what can't be started. */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#running !== undefined) throw notModified();
      if (this.status === "removing")
        throw new ApiFault(
          409,
          "container is marked for removal and cannot be started",
        );
      this.#stopAsked = false;
      await this.#start();
    });
  }

  /** Asks it to end and after `graceSeconds` makes it; a negative grace waits for ever. */
  stop(graceSeconds: number): Promise<void> {
    return this.#inTurn(() => this.#stop(graceSeconds));
  }

  restart(graceSeconds: number): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#running !== undefined) await this.#stop(graceSeconds);
      this.#stopAsked = false;
      await this.#start();
      this.emit("restart");
    });
  }

  /** Sends a signal. SIGKILL is waited for. */
  async kill(reference: string, signal: string): Promise<void> {
    const number = signalNumber(signal);
    const running = this.#running;
    if (running === undefined)
      throw new ApiFault(
        409,
        `Cannot kill container: ${reference}: Container ${this.id} is not running`,
      );
    this.#signal(running, number);
    if (number === 9) await running.over;
  }

  /** Takes it away with its files. */
  async remove(force: boolean): Promise<void> {
    if (this.status === "removing")
      throw new ApiFault(
        409,
        `removal of container ${this.id} is already in progress`,
      );
    if (this.#running !== undefined && !force)
      throw new ApiFault(
        409,
        `You cannot remove a running container ${this.id}. Stop the container before attempting removal or force remove`,
      );
    this.#stopAsked = true;
    await this.#starting?.catch(() => undefined);
    const running = this.#running;
    if (running !== undefined) {
      this.#signal(running, 9);
      await running.over;
    }
    this.status = "removing";
    if (this.made.root !== undefined)
      await rm(join(this.made.root.dir, ".."), {
        recursive: true,
        force: true,
      });
    this.emit("destroy");
    this.#waiters.wake("removed");
  }

  /** The exit code, once the condition holds; `signal` ends the wait. */
  wait(condition: string, signal: AbortSignal): Promise<number> {
    return this.#waiters
      .wait(condition, this.isRunning, signal)
      .then(() => this.exitCode);
  }

  /** Tells what happened to it: its labels, image and name go along. */
  emit(action: string, more: Readonly<Record<string, string>> = {}): void {
    const { id, config, imageName, name } = this.made;
    const attributes = { ...config.labels, image: imageName, name, ...more };
    this.#parts.events.emit({ type: "container", action, id, attributes });
  }

  /** A command as it would be run in this container. */
  command(argv: readonly string[], address: string): Command {
    const { root, config, id } = this.made;
    if (root === undefined)
      throw new ApiFault(400, "a receiver has no files to run anything from");
    const hostname = id.slice(0, 12);
    return commandOf({ ...config, argv, hostname, address }, root);
  }

  #start(): Promise<void> {
    this.#starting = this.#rise().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #rise(): Promise<void> {
    const place = joinNetwork(this.made, this.#parts);
    this.endpoint = place.endpoint;
    const stopped = new AbortController();
    let published: Published[] = [];
    try {
      published = await openPorts(this.made, place, this.#parts);
      tellMounts(this.made, this.#parts, "mount");
      const workload = await this.#run(place);
      const over = workload.ended.then((code) => this.#ended(code));
      this.#running = { workload, place, published, stopped, over };
    } catch (error) {
      await this.#giveBack(place, published);
      const message = error instanceof Error ? error.message : "failed";
      // As runc's callers have it: 127 for what is not there, 126 for what may not be run.
      this.exitCode = /no such file|not found/.test(message) ? 127 : 126;
      this.error = message;
      throw error;
    }
    Object.assign(this, {
      status: "running",
      exitCode: 0,
      error: "",
      published,
    });
    this.startedAt = this.#parts.instants.now();
    this.emit("start");
    this.health = watchHealth(this, place.address, stopped.signal, this.#parts);
  }

  #run(place: Place): Promise<Workload> {
    const { image, config } = this.made;
    const output = this.logs.write.bind(this.logs);
    if (image.dir === undefined)
      return this.#parts.receivers.start(this.made, place.address, output);
    const argv = [...(config.entrypoint ?? []), ...(config.cmd ?? [])];
    const command = this.command(argv, place.address);
    return startProcess(command, this.#parts.spawning, output);
  }

  async #stop(graceSeconds: number): Promise<void> {
    this.#stopAsked = true;
    const running = this.#running;
    if (running === undefined) throw notModified();
    this.#signal(running, signalNumber(this.made.config.stopSignal ?? "TERM"));
    const over = new AbortController();
    const ended = running.over.then(() => over.abort());
    if (graceSeconds >= 0) {
      await this.#parts
        .sleep(graceSeconds * 1000, over.signal)
        .catch(() => undefined);
      if (this.#running === running) this.#signal(running, 9);
    }
    await ended;
    this.emit("stop");
  }

  #signal({ workload }: Running, signal: number): void {
    this.emit("kill", { signal: String(signal) });
    workload.signal(signal);
  }

  async #ended(code: number): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    const { place, published, stopped } = running;
    stopped.abort();
    this.health?.stopped();
    this.logs.end();
    this.finishedAt = this.#parts.instants.now();
    this.exitCode = code;
    this.status = "exited";
    this.#running = undefined;
    this.published = [];
    this.emit("die", { exitCode: String(code) });
    await this.#giveBack(place, published);
    this.#waiters.wake("ended");
    this.#afterwards(code);
  }

  async #giveBack(
    place: Place,
    published: readonly Published[],
  ): Promise<void> {
    await Promise.all(published.map((one) => one.close()));
    this.endpoint = undefined;
    if (place.endpoint !== undefined)
      this.#parts.networks.disconnect(place.endpoint, this.id);
    place.leave();
    tellMounts(this.made, this.#parts, "unmount");
  }

  #afterwards(code: number): void {
    const { restart, autoRemove } = this.made.host;
    const again = !this.#stopAsked && startsAgain(restart, code, this.restarts);
    if (again) void this.#startAgain().catch(() => undefined);
    else if (autoRemove) void this.#parts.forget(this).catch(() => undefined);
  }

  async #startAgain(): Promise<void> {
    this.#pause = pauseBefore(
      this.#pause,
      (this.finishedAt ?? 0n) - (this.startedAt ?? 0n),
    );
    await this.#parts.sleep(this.#pause, this.#parts.closed);
    await this.#inTurn(async () => {
      if (this.#stopAsked || this.#running !== undefined) return;
      this.restarts += 1;
      await this.#start();
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work, work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}
