// What can go wrong between us and a Docker engine, in the terms of the port: status codes become kinds, silence becomes
// `unreachable`, and an outcome that is as good as success is passed over by name.

import { setTimeout as delay } from "node:timers/promises";
import { EngineError } from "./engine.ts";

/** No answer of the engine but a wait, a stop and a stream takes longer. Creating on a busy disk is the slowest. */
const callDeadlineMs = 60_000;

/** The answer of one call, or an {@link EngineError}: also when none has come by the deadline. */
export async function call<T>(
  answer: Promise<T>,
  deadlineMs = callDeadlineMs,
): Promise<T> {
  const timer = new AbortController();
  const late = delay(deadlineMs, undefined, {
    signal: timer.signal,
    ref: false,
  }).then(
    () => {
      throw new EngineError(
        "unreachable",
        "the Docker engine did not answer in time",
      );
    },
    () => new Promise<never>(() => undefined),
  );
  try {
    return await Promise.race([answer, late]);
  } catch (error) {
    throw engineError(error);
  } finally {
    timer.abort();
  }
}

/** What dockerode threw, in the port's terms. The engine's own sentence is kept: it is the reason a task failed. */
export function engineError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const status = statusOf(error);
  const message = error instanceof Error ? error.message : "unknown failure";
  if (status === undefined) {
    return new EngineError(
      "unreachable",
      `the Docker engine does not answer: ${message}`,
      { cause: error },
    );
  }
  const kind =
    status === 404 ? "absent" : status === 409 ? "conflict" : "refused";
  return new EngineError(kind, message, { cause: error });
}

function statusOf(error: unknown): number | undefined {
  const status: unknown =
    typeof error === "object" && error !== null && "statusCode" in error
      ? error.statusCode
      : undefined;
  return typeof status === "number" ? status : undefined;
}

/** For `catch`: `value` when the thing is not there. */
export function absentIs<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof EngineError && error.kind === "absent") return value;
    throw error;
  };
}

/** For `catch`: passes over the named outcomes: `not modified` is a stop of a stopped one, `in progress` a removal under way. */
export function ignoring(
  ...outcomes: readonly string[]
): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof EngineError)) throw error;
    const status = statusOf(error.cause);
    if (outcomes.includes(error.kind)) return;
    if (status === 304 && outcomes.includes("not modified")) return;
    if (
      status === 409 &&
      error.message.includes("already in progress") &&
      outcomes.includes("in progress")
    )
      return;
    throw error;
  };
}
