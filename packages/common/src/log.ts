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

const NAMES = [
  "token",
  "secret",
  "key",
  "psk",
  "password",
  "secret_id",
  "client_token",
  "authorization",
];

/** A logger that writes JSON lines to `stream`. An error is logged as its name, code and message, without its causes. */
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
      redact: {
        paths: NAMES.flatMap((n) => [n, `*.${n}`, `*.*.${n}`]),
        censor: "[secret]",
      },
      serializers: { err: describeError },
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
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
 * An error for a log line. A message from a library is kept only when it is one of the system's own error codes:
 * libraries put whole requests, headers included, into theirs.
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
