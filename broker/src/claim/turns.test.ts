import { ManualClock } from "@vaultbuddy/common/testing";
import { beforeEach, expect, test } from "vitest";
import { never } from "./testing.ts";
import { Turns } from "./turns.ts";

let clock: ManualClock;
let turns: Turns;

beforeEach(() => {
  clock = new ManualClock();
  turns = new Turns(clock);
});

test("a turn is taken once and free again when it is given back", () => {
  expect(turns.take("a")).toBe(true);
  expect(turns.take("a")).toBe(false);
  expect(turns.isTaken("a")).toBe(true);
  expect(turns.take("b")).toBe(true);
  turns.give("a");
  expect(turns.isTaken("a")).toBe(false);
  expect(turns.take("a")).toBe(true);
});

test("everybody who waits is woken when it is given back, and nobody else", async () => {
  turns.take("a");
  const woken: string[] = [];
  const waits = ["a", "a", "b"].map((key) =>
    turns.wait(key, 1000, never).then(() => woken.push(key)),
  );
  await clock.advance(1);
  turns.give("a");
  await clock.advance(1);
  expect(woken).toEqual(["a", "a"]);
  await clock.advance(1000);
  await Promise.all(waits);
  expect(clock.sleeping).toBe(0);
});

test("a wait ends when its time or its signal does", async () => {
  const deadline = new AbortController();
  const waits = Promise.all([
    turns.wait("a", 1000, never),
    turns.wait("a", 100_000, deadline.signal),
  ]);
  await clock.advance(1000);
  deadline.abort();
  await waits;
  expect(clock.sleeping).toBe(0);
});
