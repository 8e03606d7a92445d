import { ManualClock } from "@vaultbuddy/common/testing";
import { expect, test } from "vitest";
import type { Found } from "../found.ts";
import { keepAlive } from "./alive.ts";

const silent: Found<number> = { kind: "silent" };
const found = (value: number): Found<number> => ({ kind: "found", value });

/** Keeps something of 90 seconds alive, and tells when it was asked for more. */
function kept(answers: Found<number>[], renewable = true, seconds = 90) {
  const clock = new ManualClock(0);
  const asked: number[] = [];
  const stop = new AbortController();
  let over = false;
  const done = keepAlive(
    { seconds, renewable },
    () => {
      asked.push(clock.monotonic() / 1000);
      return Promise.resolve(answers.shift() ?? silent);
    },
    { clock, signal: stop.signal },
  ).finally(() => {
    over = true;
  });
  return { clock, asked, stop, done, over: () => over };
}

test("it is renewed at two thirds of the time that was granted last", async () => {
  const { clock, asked, over } = kept([found(90), found(60), found(60)]);
  await clock.advance(59_999);
  expect(asked).toEqual([]);
  await clock.advance(140_001);
  expect(asked).toEqual([60, 120, 160, 200]);
  expect(over()).toBe(false);
});

test("a Vault that says nothing is asked again, less and less often, until the end", async () => {
  const { clock, asked, done, over } = kept([]);
  await clock.advance(89_999);
  expect(asked.slice(0, 4)).toEqual([60, 60.75, 62.25, 65.25]);
  expect(over()).toBe(false);
  await clock.advance(1);
  await done;
  expect(asked.length).toBeLessThan(10);
});

test("a Vault that is back in time renews it", async () => {
  const { clock, asked, over } = kept([silent, silent, found(90)]);
  await clock.advance(120_000);
  expect(asked).toEqual([60, 60.75, 62.25]);
  expect(over()).toBe(false);
});

test.each<[string, Found<number>[], boolean]>([
  ["it is refused", [{ kind: "refused", status: 400 }], true],
  ["less than half of the first time is granted", [found(44)], true],
  ["it cannot be renewed", [], false],
])(
  "it is over at two thirds of its time where %s",
  async (_name, answers, renewable) => {
    const { clock, done, over } = kept(answers, renewable);
    await clock.advance(59_999);
    expect(over()).toBe(false);
    await clock.advance(1);
    await done;
  },
);

test("what has no end is never asked about", async () => {
  const { clock, asked, over } = kept([], true, 0);
  await clock.advance(100 * 24 * 3_600_000);
  expect([asked, over()]).toEqual([[], false]);
});

test("it rejects when it is no longer wanted", async () => {
  const { clock, stop, done } = kept([]);
  const rejected = expect(done).rejects.toThrow("enough");
  await clock.advance(1000);
  stop.abort(new Error("enough"));
  await rejected;
  expect(clock.sleeping).toBe(0);
});
