import { expect, test } from "vitest";
import { readValues } from "../settings.ts";
import { readSupervise } from "./settings.ts";

const read = (env: Record<string, string>) =>
  readSupervise(readValues(new Map(Object.entries(env)), []));

test("a command is become unless it is said that it be kept", () => {
  expect(read({})).toBeUndefined();
  expect(read({ WIS_SUPERVISE: "false" })).toBeUndefined();
  expect(read({ WIS_SUPERVISE: "true" })).toEqual({
    onChange: "restart",
    poll: 300_000,
    stopTime: 25_000,
  });
});

test("a signal is known by its name, and what is none of the words is a fault", () => {
  expect(
    read({ WIS_SUPERVISE: "true", WIS_ON_CHANGE: "SIGUSR2" })?.onChange,
  ).toBe(12);
  const faults: string[] = [];
  readValues(new Map([["WIS_ON_CHANGE", "SIGKILL"]]), faults);
  expect(faults).toEqual([
    "WIS_ON_CHANGE: must be one of restart, none, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH",
  ]);
});
