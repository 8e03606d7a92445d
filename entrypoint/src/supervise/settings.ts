// The settings of staying on: whether, what becomes of a change in Vault, how often it is looked for, and how long the
// command may take to stop.

import { boolean, durationWithin, word } from "@vaultbuddy/common";

/** What may be sent instead of a restart, by its number on Linux. */
const signals = { SIGHUP: 1, SIGUSR1: 10, SIGUSR2: 12, SIGWINCH: 28 } as const;
const signalNames = ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const;

/** What is done when a secret is another one: the command anew, nothing, or the signal of this number. */
export type OnChange = "restart" | "none" | number;

/** How this process stays with its command. */
export interface SuperviseSettings {
  readonly onChange: OnChange;
  /** Milliseconds between two looks at what changes without a lease. */
  readonly poll: number;
  /** Milliseconds from SIGTERM to SIGKILL. */
  readonly stopTime: number;
}

/** The part of the table of settings that is for staying on. */
export const superviseSettings = {
  supervise: {
    env: "WIS_SUPERVISE",
    describe:
      "true: stay, with the command as a child: hand signals on, reap orphans, renew token and leases, notice changes (needs the bundle)",
    fallback: "false",
    parse: boolean,
  },
  onChange: {
    env: "WIS_ON_CHANGE",
    describe: `with WIS_SUPERVISE=true, when a secret has changed or a lease ends: restart the command, send it ${signalNames.join(", ")}, or none`,
    fallback: "restart",
    parse: word(["restart", "none", ...signalNames]),
  },
  poll: {
    env: "WIS_POLL",
    describe: "with WIS_SUPERVISE=true: how often secrets in KV are read anew",
    fallback: "5m",
    parse: durationWithin("1s", "24h"),
  },
  stopTime: {
    env: "WIS_STOP_TIME",
    describe:
      "with WIS_SUPERVISE=true: how long the command may take to end after SIGTERM, before SIGKILL",
    fallback: "25s",
    parse: durationWithin("100ms", "1h"),
  },
} as const;

/** Puts them together; undefined where the command is to be become and not kept. */
export function readSupervise({
  supervise,
  onChange = "restart",
  poll,
  stopTime,
}: {
  readonly supervise?: boolean;
  readonly onChange?: "restart" | "none" | keyof typeof signals;
  readonly poll?: number;
  readonly stopTime?: number;
}): SuperviseSettings | undefined {
  if (supervise !== true || poll === undefined || stopTime === undefined) {
    return undefined;
  }
  return {
    onChange:
      onChange === "restart" || onChange === "none"
        ? onChange
        : signals[onChange],
    poll,
    stopTime,
  };
}
