// Times in Docker's writing.

import { expect, test } from "vitest";
import {
  humanSpan,
  iso,
  parseInstant,
  second,
  systemInstants,
} from "./instant.ts";

test.each([
  [0n, "1970-01-01T00:00:00Z"],
  [1_500_000_000n, "1970-01-01T00:00:01.5Z"],
  [1_795_340_031_051_745_119n, "2026-11-22T09:33:51.051745119Z"],
  [undefined, "0001-01-01T00:00:00Z"],
])("%s is %s", (at, text) => {
  expect(iso(at)).toBe(text);
});

test.each([
  ["5", 5_000_000_000n],
  ["5.000000001", 5_000_000_001n],
  ["5.1", 5_100_000_000n],
  ["", undefined],
  [null, undefined],
])("since %j is %s", (text, at) => {
  expect(parseInstant(text)).toBe(at);
});

test.each(["abc", "1.2.3", "2026-01-01T00:00:00Z", "5s"])(
  "since %j is refused as the daemon refuses it",
  (text) => {
    expect(() => parseInstant(text)).toThrow(/strconv.ParseInt/);
  },
);

test.each([
  [0, "Less than a second"],
  [1, "1 second"],
  [59, "59 seconds"],
  [60, "About a minute"],
  [120, "2 minutes"],
  [3599, "59 minutes"],
  [3600, "About an hour"],
  [7200, "2 hours"],
  [172_800, "2 days"],
  [1_209_600, "2 weeks"],
  [5_184_000, "2 months"],
  [63_072_000, "2 years"],
])("%i seconds are %s", (seconds, words) => {
  expect(humanSpan(BigInt(seconds) * second)).toBe(words);
});

test("no two events have one time, and a clock that is set back is followed", () => {
  let wall = 10_000;
  const instants = systemInstants(() => wall);
  const [a, b] = [instants.now(), instants.now()];
  expect(b).toBeGreaterThan(a);
  wall = 1_000;
  expect(instants.now()).toBe(1_000_000_000n);
});
