// What this process says while it is not yet the command: short lines on stderr, written synchronously. Deliberately
// neither console nor process.stderr: both make the descriptor non-blocking, and the command would inherit that.

/** The levels of WIS_LOG_LEVEL, the most talkative first. */
export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Facts beside a constant sentence. Never a secret; text from outside only where it was checked. */
export type LogFields = Readonly<
  Record<string, string | number | boolean | undefined>
>;

/** One method for each level: a constant sentence and fields. */
export type Log = Readonly<
  Record<LogLevel, (sentence: string, fields?: LogFields) => void>
>;

/** A log of everything at `least` or above. `write` gets whole lines and must not throw. */
export function openLog(least: LogLevel, write: (line: string) => void): Log {
  const at = (level: LogLevel) => (sentence: string, fields?: LogFields) => {
    if (logLevels.indexOf(level) >= logLevels.indexOf(least)) {
      write(
        `vaultbuddy-entrypoint: ${level}: ${sentence}${writeFields(fields)}\n`,
      );
    }
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
  };
}

function writeFields(fields: LogFields = {}): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => {
      const text = String(value);
      return ` ${name}=${/^[\w.:/@,+-]+$/.test(text) ? text : JSON.stringify(text)}`;
    })
    .join("");
}
