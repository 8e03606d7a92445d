import { expect, test } from "vitest";
import { goDuration, humanDuration, parseSeconds } from "./duration.ts";

test.each([
  ["", 0],
  ["90", 90_000],
  ["90s", 90_000],
  ["1h30m", 5_400_000],
  ["1.5s", 1500],
  ["250ms", 250],
  ["-10s", -10_000],
  ["-10", -10_000],
])("%j is %i ms", (text, milliseconds) => {
  expect(parseSeconds(text)).toBe(milliseconds);
});

test.each([
  ["1d", 'strconv.ParseInt: parsing "1d": invalid syntax'],
  ["xs", 'time: invalid duration "xs"'],
  ["1 s", 'time: unknown unit " s" in duration "1 s"'],
  ["1.5.5s", 'time: missing unit in duration "1.5.5s"'],
])("%j is refused as Go does", (text, message) => {
  expect(() => parseSeconds(text)).toThrow(message);
});

test.each([
  [0, "0s", "0s"],
  [1500, "1.5s", "1.5s"],
  [600_000, "10m0s", "10m"],
  [3_600_000, "1h0m0s", "1h"],
  [3_605_000, "1h0m5s", "1h5s"],
  [2_764_800_000, "768h0m0s", "768h"],
])("%i ms is printed as %s, and as %s for people", (ms, go, human) => {
  expect(goDuration(ms)).toBe(go);
  expect(humanDuration(ms)).toBe(human);
});
