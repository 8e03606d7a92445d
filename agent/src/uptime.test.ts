// Docker's words for an uptime, in both of the roundings that its versions have.

import fc from "fast-check";
import { expect, test } from "vitest";
import { readUptime } from "./uptime.ts";

/** What go-units' HumanDuration says, in its present version or (`floor`) the one before. */
function words(seconds: number, floor: boolean): string {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(seconds / 3600 + (floor ? 0 : 0.5));
  if (seconds < 1) return "Less than a second";
  if (Math.floor(seconds) === 1 && !floor) return "1 second";
  if (seconds < 60) return `${Math.floor(seconds)} seconds`;
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(seconds / 3600 / 24 / 365)} years`;
}

test("whatever Docker's words, the true uptime lies in the range that is read from them", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.double({ min: 0, max: 7200, noNaN: true }),
        fc.double({ min: 0, max: 200_000_000, noNaN: true }),
      ),
      fc.boolean(),
      fc.constantFrom("", " (healthy)", " (health: starting)", " (Paused)"),
      (seconds, floor, after) => {
        const range = readUptime(`Up ${words(seconds, floor)}${after}`);
        expect(range).toBeDefined();
        expect(range?.min).toBeLessThanOrEqual(seconds * 1000);
        expect(range?.max).toBeGreaterThan(seconds * 1000);
      },
    ),
    { numRuns: 1000 },
  );
});

test("under a minute the range is one second wide", () => {
  expect(readUptime("Up 42 seconds")).toEqual({ min: 42_000, max: 43_000 });
  expect(readUptime("Up Less than a second")).toEqual({ min: 0, max: 1000 });
});

test.each([
  "",
  "Exited (0) 3 seconds ago",
  "Restarting (1) 3 seconds ago",
  "Created",
  "Up",
  "Up and running",
  "Up 3 fortnights",
  "Up 99999999999 seconds",
])("%j says nothing of an uptime", (status) => {
  expect(readUptime(status)).toBeUndefined();
});
