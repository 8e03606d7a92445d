// Restart policies.

import { expect, test } from "vitest";
import { pauseBefore, startsAgain } from "./restarting.ts";

test.each([
  ["no", 1, 0, false],
  ["always", 0, 99, true],
  ["unless-stopped", 0, 0, true],
  ["on-failure", 0, 0, false],
  ["on-failure", 1, 2, true],
  ["on-failure", 1, 3, false],
])("%s after code %i and %i restarts: %s", (name, code, restarts, again) => {
  expect(startsAgain({ name, most: 3 }, code, restarts)).toBe(again);
});

test("who keeps failing waits twice as long each time, up to a minute; who ran for long does not", () => {
  const short = 1_000_000n;
  expect(pauseBefore(0, short)).toBe(100);
  expect(pauseBefore(100, short)).toBe(200);
  expect(pauseBefore(50_000, short)).toBe(60_000);
  expect(pauseBefore(50_000, 10_000_000_000n)).toBe(100);
});
