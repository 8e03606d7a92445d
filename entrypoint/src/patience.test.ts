import { ManualClock } from "@vaultbuddy/common/testing";
import { expect, test } from "vitest";
import { Patience } from "./patience.ts";

test("a grant replaces what was left, be it less or more", async () => {
  const clock = new ManualClock();
  const patience = new Patience(clock, 30_000);
  await clock.advance(29_000);
  patience.grant(10_000);
  await clock.advance(9_999);
  expect(patience.signal.aborted).toBe(false);
  await clock.advance(1);
  expect(patience.signal.aborted).toBe(true);
});

test("what was left of the first time is given back, and at least what is said", async () => {
  const clock = new ManualClock();
  const patience = new Patience(clock, 30_000);
  await clock.advance(5000);
  patience.grant(10_000);
  patience.giveBack(10_000);
  await clock.advance(24_999);
  expect(patience.signal.aborted).toBe(false);
  patience.giveBack(10_000);
  await clock.advance(9999);
  expect(patience.signal.aborted).toBe(false);
  await clock.advance(1);
  expect(patience.signal.aborted).toBe(true);
});

test("a stopped timer never ends and leaves nothing behind", async () => {
  const clock = new ManualClock();
  const patience = new Patience(clock, 1000);
  patience.stop();
  await clock.advance(5000);
  expect(patience.signal.aborted).toBe(false);
  expect(clock.sleeping).toBe(0);
});

test("however often it is given back, it ends", async () => {
  const clock = new ManualClock();
  const patience = new Patience(clock, 30_000);
  for (let count = 0; count < 25 && !patience.signal.aborted; count += 1) {
    await clock.advance(5000);
    patience.giveBack(10_000);
  }
  await clock.advance(1);
  expect(patience.signal.aborted).toBe(true);
});
