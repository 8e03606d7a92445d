// The flow of staying on: the command runs as a child until it ends by itself, and this process ends as it did. It is
// started anew only when something it was given has changed, and never because it ended.

import type { Clock } from "@vaultbuddy/common";
import type { Log } from "../log.ts";
import type { OnChange } from "./settings.ts";

/** The command's variables. */
export type Environment = Record<string, string>;

/** The command as a child. */
export interface App {
  /** Starts it; resolves with how it ended: its code, or 128 + n for signal n. Throws the Failure of what cannot be started. */
  run(env: Environment): Promise<number>;
  /** Sends it a signal; nothing when it does not run. */
  kill(signal: number): void;
  /** Resolves when somebody else has sent it SIGTERM. */
  readonly stopped: Promise<void>;
}

/** What may change while the command runs. */
export interface Watch {
  /** Resolves with the variables as they are now, when they or files are others than before; rejects with the Failure to end for. */
  next(): Promise<Environment>;
  /** Ends the token. */
  end(): Promise<void>;
}

/** A restart beyond these waits for its time: secrets that change all the time are no reason to stand still. */
export const MOST_RESTARTS = { count: 5, within: 600_000 };

const SIGKILL = 9;
const SIGTERM = 15;

/** What keeping it needs. */
export interface KeepDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly onChange: OnChange;
  /** Milliseconds. */
  readonly stopTime: number;
}

type Next =
  | { readonly kind: "ended"; readonly code: number }
  | { readonly kind: "changed"; readonly env: Environment }
  | { readonly kind: "over"; readonly failure: unknown };

/**
 * Runs the command until it has ended, and resolves with its code. Rejects with the Failure that the watch ended
 * for, once the command was stopped.
 */
export async function keep(
  app: App,
  first: Environment,
  watch: Watch,
  deps: KeepDeps,
): Promise<number> {
  const { clock, log, onChange } = deps;
  const ended = new AbortController();
  let stopping = false;
  void app.stopped.then(() => {
    stopping = true;
    return killLater(app, deps, ended.signal);
  });
  const budget = new Budget(clock);
  let running = app.run(first);
  try {
    for (;;) {
      const next = await Promise.race([endOf(running), changeOf(watch)]);
      if (next.kind === "ended") {
        return next.code;
      }
      if (next.kind === "over" && onChange === "restart") {
        await stop(app, running, deps);
        throw next.failure;
      }
      if (onChange === "none" || next.kind === "over") {
        log.warn("what the command was given is not up to date any more");
      }
      if (typeof onChange === "number") {
        log.info("telling the command of a change", { signal: onChange });
        app.kill(onChange);
      }
      if (next.kind === "over") {
        return await running;
      }
      if (onChange === "restart") {
        log.warn(
          "restarting the command, because what it is given has changed",
        );
        const early = await Promise.race([running, budget.take(ended.signal)]);
        if (early !== undefined) {
          return early;
        }
        const code = await stop(app, running, deps);
        if (stopping) {
          return code;
        }
        running = app.run(next.env);
      }
    }
  } finally {
    ended.abort();
    await watch.end();
  }
}

async function endOf(running: Promise<number>): Promise<Next> {
  return { kind: "ended", code: await running };
}

async function changeOf(watch: Watch): Promise<Next> {
  try {
    return { kind: "changed", env: await watch.next() };
  } catch (failure) {
    return { kind: "over", failure };
  }
}

/** Stops the command, and resolves with how it ended. */
async function stop(
  app: App,
  running: Promise<number>,
  deps: KeepDeps,
): Promise<number> {
  const ended = new AbortController();
  app.kill(SIGTERM);
  void killLater(app, deps, ended.signal);
  try {
    return await running;
  } finally {
    ended.abort();
  }
}

async function killLater(
  app: App,
  { clock, log, stopTime }: KeepDeps,
  ended: AbortSignal,
): Promise<void> {
  try {
    await clock.sleep(stopTime, ended);
  } catch {
    return;
  }
  log.warn("the command did not end in its time after SIGTERM");
  app.kill(SIGKILL);
}

/** How often something may be done in a time. */
class Budget {
  readonly #clock: Clock;
  #taken: number[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when it may be done once more, or when the signal aborts. */
  async take(signal: AbortSignal): Promise<void> {
    const { count, within } = MOST_RESTARTS;
    const oldest = this.#taken.at(-count);
    if (oldest !== undefined) {
      const left = oldest + within - this.#clock.monotonic();
      if (left > 0) {
        await this.#clock.sleep(left, signal).catch(() => undefined);
      }
    }
    this.#taken = [...this.#taken.slice(1 - count), this.#clock.monotonic()];
  }
}
