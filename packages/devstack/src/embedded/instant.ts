// Time as Docker writes it: nanoseconds since 1970, beyond what a JavaScript number holds exactly, RFC 3339 with
// fractions, and the words of a list ("Up 2 minutes").

import { ApiFault } from "./fault.ts";

/** Nanoseconds since 1970. */
export type Nano = bigint;

export const second = 1_000_000_000n;

/** Where the time comes from; every answer is later than the one before it. */
export interface Instants {
  now(): Nano;
}

/** The system's clock, in steps of milliseconds, told apart below that so that no two events have one time. */
export function systemInstants(wallMs: () => number = Date.now): Instants {
  let last = 0n;
  return {
    now() {
      const wall = BigInt(wallMs()) * 1_000_000n;
      // A clock that was set back is followed, as Docker does; one that stands still for a moment is helped along.
      last = wall > last || last - wall > second ? wall : last + 1_000n;
      return last;
    },
  };
}

/** What Docker says where there is no time yet. */
const never = "0001-01-01T00:00:00Z";

/** RFC 3339 with the nanoseconds that there are. */
export function iso(at: Nano | undefined): string {
  if (at === undefined) return never;
  const whole = new Date(Number(at / 1_000_000n)).toISOString().slice(0, 19);
  const fraction = (at % second).toString().padStart(9, "0").replace(/0+$/, "");
  return fraction === "" ? `${whole}Z` : `${whole}.${fraction}Z`;
}

/** `seconds[.nanoseconds]`, the one form of `since` and `until` that the daemon reads. */
export function parseInstant(text: string | null): Nano | undefined {
  if (text === null || text === "") return undefined;
  const [, seconds = "", fraction = ""] =
    /^(-?\d{1,12})(?:\.(\d{1,9}))?$/.exec(text) ?? [];
  if (seconds === "")
    throw new ApiFault(
      500,
      `strconv.ParseInt: parsing "${text.slice(0, 40)}": invalid syntax`,
    );
  return BigInt(seconds) * second + BigInt(fraction.padEnd(9, "0"));
}

/** A span in the words that `docker ps` uses. */
export function humanSpan(nano: Nano): string {
  const seconds = Number(nano / second);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.round(seconds / 3600);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(hours / 24 / 365)} years`;
}
