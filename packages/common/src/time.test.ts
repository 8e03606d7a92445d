// Back-off grows, stays under its cap, and a sleeper can be woken.

import { expect, test } from "vitest";
import { stopSignal } from "./stop.ts";
import { ManualClock } from "./testing.ts";
import { pause, steady, systemClock } from "./time.ts";

test("a pause doubles to its cap, and half of it is chance", () => {
  const at = (attempt: number, random: number): number =>
    pause({ first: 100, most: 1000 }, attempt, { random: () => random });
  expect([0, 1, 2, 3, 4, 5000].map((n) => at(n, 1))).toEqual([
    100, 200, 400, 800, 1000, 1000,
  ]);
  expect(at(0, 0)).toBe(50);
});

test.each([systemClock, new ManualClock()])(
  "a sleeper is woken by its signal with the signal's reason",
  async (clock) => {
    const controller = new AbortController();
    const reason = new Error("stop");
    const asleep = clock.sleep(60_000, controller.signal);
    controller.abort(reason);
    await expect(asleep).rejects.toBe(reason);
    await expect(clock.sleep(1, controller.signal)).rejects.toBe(reason);
  },
);

test("the manual clock wakes sleepers in order", async () => {
  const clock = new ManualClock(0);
  const woken: number[] = [];
  for (const ms of [30, 10, 20]) {
    void clock.sleep(ms).then(() => woken.push(ms));
  }
  await clock.advance(25);
  expect(woken).toEqual([10, 20]);
  expect(clock.now()).toBe(25);
});

test("the second signal hurries", () => {
  const listeners = new Map<string, (name: NodeJS.Signals) => void>();
  let hurried = 0;
  const signal = stopSignal(
    { on: (name, listener) => listeners.set(name, listener) },
    () => (hurried += 1),
  );
  listeners.get("SIGTERM")?.("SIGTERM");
  expect([signal.aborted, hurried]).toEqual([true, 0]);
  listeners.get("SIGINT")?.("SIGINT");
  expect(hurried).toBe(1);
});

test("a steady clock does not follow when the machine's is set", async () => {
  const clock = new ManualClock(1000);
  let step = 0;
  const one = steady({
    now: () => clock.now() + step,
    monotonic: () => clock.monotonic(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    random: () => 0,
  });
  step = 300_000;
  await clock.advance(50);
  expect(one.now()).toBe(1050);
});
