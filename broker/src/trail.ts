// What is known of a handoff as it goes, for its one line in the log: the same fields whether it succeeded or not.

import { noticeCodes } from "@vaultbuddy/common";
import type { Clock, Notice } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import { refusalOf } from "./failure.ts";

export type Step =
  "validate" | "claim" | "connect" | "mint" | "deliver" | "done";

/** One handoff's way through the steps. */
export class Trail {
  readonly #notice: Notice;
  readonly #clock: Clock;
  readonly #started: number;
  readonly #ms: Record<string, number> = {};
  #step: Step = "validate";
  family: string | undefined;
  /** The family's key by which the channel stands: while keys are rotated, who still has the old one. */
  kid: string | undefined;

  constructor(notice: Notice, clock: Clock) {
    this.#notice = notice;
    this.#clock = clock;
    this.#started = clock.monotonic();
  }

  /** Does one step and remembers how long it took. */
  async timed<Value>(step: Step, work: () => Promise<Value>): Promise<Value> {
    const started = this.#clock.monotonic();
    this.#step = step;
    try {
      return await work();
    } finally {
      this.#ms[step] = tenths(this.#clock.monotonic() - started);
    }
  }

  /** Writes the line and answers the code: `delivered`, or that of the refusal. `error` is undefined for a delivery. */
  tell(log: Log, error: unknown): string {
    const code = error === undefined ? undefined : refusalOf(error).code;
    const { task, containerName, containerId } = this.#notice;
    const fields = {
      task: task.arn,
      container: containerName,
      containerId,
      family: this.family,
      kid: this.kid,
      step: code === undefined ? "done" : this.#step,
      code: code ?? "delivered",
      ms: tenths(this.#clock.monotonic() - this.#started),
      steps: this.#ms,
      ...(error === undefined ? {} : { err: error }),
    };
    log[code === undefined ? "info" : noticeCodes[code].level](
      fields,
      "handoff",
    );
    return code ?? "delivered";
  }
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
