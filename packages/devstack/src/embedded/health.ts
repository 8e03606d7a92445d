// A container's health, by Docker's rules: the first probe after one interval, unhealthy after so many failures in a row
// outside the start period, and for each probe the three exec events that fill a real engine's ring.

import { type HealthTest } from "./image-config.ts";
import { type Instants, iso, type Nano } from "./instant.ts";
import type { Hex } from "./hex.ts";

const defaultMs = 30_000;
const defaultRetries = 3;
const keptResults = 5;
const outputBytes = 4_096;

export type HealthStatus = "starting" | "healthy" | "unhealthy";

export interface ProbeResult {
  readonly start: Nano;
  readonly end: Nano;
  readonly exitCode: number;
  readonly output: string;
}

export interface HealthDeps {
  readonly test: HealthTest;
  readonly instants: Instants;
  readonly hex: Hex;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Runs a command in the container; the signal kills it. Rejects when it can't be started. */
  readonly run: (
    argv: readonly string[],
    output: (chunk: Buffer) => void,
    signal: AbortSignal,
  ) => Promise<number>;
  readonly emit: (
    action: string,
    more: Readonly<Record<string, string>>,
  ) => void;
}

/** The command of a probe; undefined when there is none to run. */
export function probeCommand(test: readonly string[]): string[] | undefined {
  const [kind, ...rest] = test;
  if (kind === "CMD" && rest.length > 0) return rest;
  return kind === "CMD-SHELL" && rest[0] !== undefined
    ? ["/bin/sh", "-c", rest[0]]
    : undefined;
}

export class Health {
  readonly #deps: HealthDeps;
  readonly #argv: readonly string[];
  readonly #began: Nano;
  #status: HealthStatus = "starting";
  #streak = 0;
  #results: ProbeResult[] = [];

  constructor(deps: HealthDeps, argv: readonly string[]) {
    this.#deps = deps;
    this.#argv = argv;
    this.#began = deps.instants.now();
  }

  get status(): HealthStatus {
    return this.#status;
  }

  /** Probes until the signal. Never rejects. */
  async watch(signal: AbortSignal): Promise<void> {
    const { test, sleep } = this.#deps;
    while (!signal.aborted) {
      await sleep(ms(test.interval), signal).catch(() => undefined);
      if (!signal.aborted) await this.#probe(signal);
    }
  }

  /** The container has stopped: Docker shows it as unhealthy from then on, and tells nobody. */
  stopped(): void {
    this.#status = "unhealthy";
  }

  json(): unknown {
    return {
      Status: this.#status,
      FailingStreak: this.#streak,
      Log: this.#results.map(({ start, end, exitCode, output }) => ({
        Start: iso(start),
        End: iso(end),
        ExitCode: exitCode,
        Output: output,
      })),
    };
  }

  async #probe(signal: AbortSignal): Promise<void> {
    const { instants, hex, emit, test } = this.#deps;
    const start = instants.now();
    const execID = hex(64);
    const words = this.#argv.join(" ");
    emit(`exec_create: ${words}`, { execID });
    emit(`exec_start: ${words}`, { execID });
    const { exitCode, output } = await this.#run(ms(test.timeout), signal);
    if (signal.aborted) return;
    emit("exec_die", { execID, exitCode: String(exitCode) });
    this.#take({ start, end: instants.now(), exitCode, output });
  }

  async #run(
    timeoutMs: number,
    stopped: AbortSignal,
  ): Promise<{ exitCode: number; output: string }> {
    const { sleep, run } = this.#deps;
    const over = new AbortController();
    const kill = AbortSignal.any([stopped, over.signal]);
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer): void => {
      if (size < outputBytes) chunks.push(chunk);
      size += chunk.length;
    };
    const done = new AbortController();
    let late = false;
    const clock = sleep(timeoutMs, done.signal).then(
      () => {
        late = true;
        over.abort();
      },
      () => undefined,
    );
    try {
      const exitCode = await run(this.#argv, take, kill);
      const output = Buffer.concat(chunks).subarray(0, outputBytes).toString();
      return late
        ? {
            exitCode: -1,
            output: `Health check exceeded timeout (${timeoutMs / 1000}s)`,
          }
        : { exitCode, output };
    } catch (error) {
      return {
        exitCode: -1,
        output: error instanceof Error ? error.message : "",
      };
    } finally {
      done.abort();
      await clock;
    }
  }

  #take(result: ProbeResult): void {
    const { test, emit } = this.#deps;
    this.#results = [...this.#results, result].slice(-keptResults);
    const before = this.#status;
    if (result.exitCode === 0) {
      this.#streak = 0;
      this.#status = "healthy";
    } else {
      const starting =
        before === "starting" &&
        result.start - this.#began < BigInt(Math.round(test.startPeriod));
      if (!starting) this.#streak += 1;
      if (this.#streak >= (test.retries || defaultRetries))
        this.#status = "unhealthy";
    }
    if (this.#status !== before) emit(`health_status: ${this.#status}`, {});
  }
}

function ms(nanoseconds: number): number {
  return nanoseconds === 0 ? defaultMs : nanoseconds / 1_000_000;
}
