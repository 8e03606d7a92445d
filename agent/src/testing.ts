// What the agent's tests share: a log that is kept, a Docker and a broker in the test's hand, and labels as ECS sets them.
// No product code imports this.

import { openLog } from "@vaultbuddy/common/daemon";
import type { Answer, Log } from "@vaultbuddy/common/daemon";
import type { ContainerEvent, RunningContainer } from "./docker-answers.ts";
import type { ContainerSource, Hello, Listing } from "./watch.ts";

/** A log whose lines can be read. */
export function keptLog(): { log: Log; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const log = openLog("test", "debug", {
    write(line) {
      const value: unknown = JSON.parse(line);
      lines.push(value as Record<string, unknown>);
    },
  });
  return { log, lines };
}

/** A container id of Docker's form. */
export function containerId(n: number): string {
  return n.toString(16).padStart(64, "0");
}

/** A task ARN of the long form. */
export function taskArn(n: number, cluster = "main"): string {
  return `arn:aws:ecs:us-east-1:123456789012:task/${cluster}/${n.toString(16).padStart(32, "0")}`;
}

/** The labels of a container that is to be served. */
export function ecsLabels(n: number): Record<string, string> {
  return {
    "com.amazonaws.ecs.task-arn": taskArn(n),
    "com.amazonaws.ecs.container-name": "web",
    "com.amazonaws.ecs.cluster": "main",
    "vaultbuddy.enable": "true",
  };
}

/** An event, as the adapter tells it. */
export function event(
  action: "start" | "die",
  n: number,
  time: number,
): ContainerEvent {
  return {
    action,
    id: containerId(n),
    name: `ecs-web-${n}`,
    labels: new Map(Object.entries(ecsLabels(n))),
    time,
    stamp: `${Math.floor(time / 1000)}.${String(time % 1000).padStart(3, "0")}000000`,
  };
}

/** An element of the list that has been up for the given seconds, as the adapter tells it. */
export function running(
  n: number,
  min?: number,
  max?: number,
): RunningContainer {
  const { id, name, labels } = event("start", n, 0);
  return {
    id,
    name,
    labels,
    ...(min === undefined
      ? {}
      : { uptime: { min: min * 1000, max: (max ?? min + 1) * 1000 } }),
  };
}

/** One event stream of {@link FakeSource}. */
export class FakeStream implements AsyncIterable<
  ContainerEvent | "unreadable"
> {
  readonly since: string;
  #items: (ContainerEvent | "unreadable")[] = [];
  #over: Error | "ended" | undefined;
  #wake: () => void = () => undefined;

  constructor(since: string, signal: AbortSignal) {
    this.since = since;
    signal.addEventListener("abort", () => {
      this.#finish(new Error("aborted"));
    });
  }

  get open(): boolean {
    return this.#over === undefined;
  }

  say(...items: (ContainerEvent | "unreadable")[]): void {
    this.#items.push(...items);
    this.#wake();
  }

  end(): void {
    this.#finish("ended");
  }

  fail(): void {
    this.#finish(new Error("reset"));
  }

  #finish(how: Error | "ended"): void {
    this.#over ??= how;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<
    ContainerEvent | "unreadable"
  > {
    for (;;) {
      yield* this.#items.splice(0);
      if (this.#over instanceof Error) {
        throw this.#over;
      }
      if (this.#over === "ended") {
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** A Docker in the test's hand. */
export class FakeSource implements ContainerSource {
  /** What was called, in order. */
  readonly calls: string[] = [];
  readonly streams: FakeStream[] = [];
  /** What the list shows. */
  containers: RunningContainer[] | (() => RunningContainer[]) = [];
  /** Replaced to fail, or to wait. */
  onHello: () => Promise<void> = () => Promise.resolve();
  onEvents: () => Promise<void> = () => Promise.resolve();
  onList: () => Promise<void> = () => Promise.resolve();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The newest stream. */
  get stream(): FakeStream {
    const stream = this.streams.at(-1);
    if (stream === undefined) {
      throw new Error("no stream was opened");
    }
    return stream;
  }

  async hello(): Promise<Hello> {
    this.calls.push("hello");
    await this.onHello();
    return { version: "fake", time: this.#second() };
  }

  async events(since: string, signal: AbortSignal): Promise<FakeStream> {
    this.calls.push("events");
    await this.onEvents();
    const stream = new FakeStream(since, signal);
    this.streams.push(stream);
    return stream;
  }

  async running(): Promise<Listing> {
    this.calls.push("list");
    const { containers: shown } = this;
    const containers = typeof shown === "function" ? shown() : [...shown];
    await this.onList();
    return { containers, unreadable: 0, time: this.#second() };
  }

  #second(): number {
    return Math.floor(this.#now() / 1000) * 1000;
  }
}

/** An answer of a broker. */
export function answer(
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): Answer {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { status, headers, body: Buffer.from(text) };
}

/** The answer of a broker that delivered. */
export function delivered(): Answer {
  return answer(200, { outcome: "delivered", deliveryId: "d-1" });
}
