// One way to log: JSON lines, a constant sentence and fields. Secrets are kept out by their type; the redaction here is
// the second net, for a field that somebody names like a secret although its value is plain text.

import pino from "pino";
import type { Logger } from "pino";

export type Log = Pick<Logger, "debug" | "info" | "warn" | "error" | "fatal">;

/** The levels a daemon's LOG_LEVEL may name. */
export const logLevels = [
  "trace",
  "debug",
  "info",
  "warn",
  "error",
  "fatal",
  "silent",
] as const;
export type LogLevel = (typeof logLevels)[number];

/** Fields that look like a secret's, to three levels. By hand: pino's own redaction copies all of a line for each path. */
const HIDDEN_NAMES = new Set([
  "token",
  "secret",
  "key",
  "psk",
  "password",
  "secret_id",
  "client_token",
  "authorization",
]);
const HIDDEN_LEVELS = 3;

/** A logger that writes JSON lines to `stream`. An error is logged as {@link describeError} has it. */
export function openLog(
  name: string,
  level: LogLevel,
  stream: { write(line: string): void },
): Log {
  return pino(
    {
      name,
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      base: { name },
      serializers: { err: describeError },
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => hideNamed(fields, HIDDEN_LEVELS),
      },
    },
    stream,
  );
}

/** The fields as they are, or a copy in which those named like a secret are hidden. */
function hideNamed<Value extends object>(fields: Value, levels: number): Value {
  const hidden = Object.entries(fields).flatMap(([name, value]) => {
    const shown: unknown = HIDDEN_NAMES.has(name)
      ? "[secret]"
      : levels > 1 && isOpen(value)
        ? hideNamed(value, levels - 1)
        : value;
    return shown === value ? [] : [[name, shown] as const];
  });
  if (hidden.length === 0) {
    return fields;
  }
  const copy: object = Array.isArray(fields) ? [...fields] : { ...fields };
  return Object.assign(copy, Object.fromEntries(hidden)) as Value;
}

/** Whether a value's own fields are what a line would show of it: not so where it says itself how it is written. */
function isOpen(value: unknown): value is object {
  return (
    typeof value === "object" &&
    value !== null &&
    !(value instanceof Error) &&
    !("toJSON" in value)
  );
}

const MOST_FRAMES = 8;

/** Where an error came from, without its message: only lines that stand behind the message in the stack count. */
function framesOf(error: Error): string[] {
  const stack = error.stack ?? "";
  const head = stack.indexOf(error.message);
  return head < 0
    ? []
    : stack
        .slice(head + error.message.length)
        .split("\n")
        .filter((line) => /^\s+at /.test(line))
        .slice(0, MOST_FRAMES)
        .map((line) => line.trim());
}

/**
 * An error for a log line. Of an error that is not ours only its type, its code and where it came from are told, and no
 * message: libraries put whole requests, headers included, into theirs.
 */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) {
    return { type: typeof error };
  }
  const code: unknown = Reflect.get(error, "code");
  const ours =
    Reflect.get(error, "ours") === true ||
    error.name === "Refusal" ||
    error.name === "ShapeError";
  return {
    type: error.name,
    ...(typeof code === "string" ? { code } : {}),
    ...(ours ? { message: error.message } : { at: framesOf(error) }),
    ...(error.cause instanceof Error
      ? { cause: describeError(error.cause) }
      : {}),
  };
}
