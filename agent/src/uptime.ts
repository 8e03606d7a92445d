// How long a container has been up, read from the words of Docker's list: the list has no start time, and asking for one
// would take an endpoint that shows a container's environment to whoever may use it.
// The words are those of docker/go-units HumanDuration, of which older versions round hours down and newer ones to the
// nearest; the ranges here hold both.

/** At least `min` and less than `max` milliseconds. */
export interface Uptime {
  readonly min: number;
  readonly max: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** For each unit: its length, how far below n units a text may start, and how far above. */
const UNITS: Readonly<Record<string, { unit: number; under: number }>> = {
  second: { unit: SECOND, under: 0 },
  minute: { unit: MINUTE, under: 0 },
  hour: { unit: HOUR, under: HOUR / 2 },
  day: { unit: DAY, under: HOUR / 2 },
  week: { unit: 7 * DAY, under: HOUR / 2 },
  month: { unit: 30 * DAY, under: HOUR / 2 },
  year: { unit: 365 * DAY, under: HOUR / 2 },
};

/** Reads a list's `Status`, such as `Up About a minute (healthy)`; undefined when it says nothing of the kind. */
export function readUptime(status: string): Uptime | undefined {
  if (/^Up Less than a second\b/.test(status)) {
    return { min: 0, max: SECOND };
  }
  const [, count, name] =
    /^Up (About an?|\d{1,6}) (second|minute|hour|day|week|month|year)s?\b/.exec(
      status,
    ) ?? [];
  const found = UNITS[name ?? ""];
  if (count === undefined || found === undefined) {
    return undefined;
  }
  const units = count.startsWith("About") ? 1 : Number(count);
  return {
    min: Math.max(0, units * found.unit - found.under),
    max: (units + 1) * found.unit,
  };
}
