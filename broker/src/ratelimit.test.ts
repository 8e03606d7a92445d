// One loud address must not cost the others anything.

import { ManualClock } from "@vaultbuddy/common/testing";
import { expect, test } from "vitest";
import { NoticeLimit } from "./ratelimit.ts";

function admitted(limit: NoticeLimit, source: string, tries: number): number {
  let count = 0;
  for (let index = 0; index < tries; index += 1) {
    try {
      limit.admit(source);
      count += 1;
    } catch (error) {
      expect(error).toMatchObject({ code: "rate_limited" });
    }
  }
  return count;
}

test("a source has a burst and then its rate, and another source its own", async () => {
  const clock = new ManualClock();
  const limit = new NoticeLimit(5, clock);
  expect(admitted(limit, "a", 100)).toBe(50);
  expect(admitted(limit, "b", 10)).toBe(10);
  await clock.advance(2000);
  expect(admitted(limit, "a", 100)).toBe(10);
});

test("the number of remembered sources is bounded, and the busiest is not the one forgotten", () => {
  const limit = new NoticeLimit(1, new ManualClock());
  admitted(limit, "loud", 20);
  for (let index = 0; index < 20_000; index += 1) {
    limit.admit(`10.0.${index >> 8}.${index & 255}`);
    if (index % 1000 === 0) {
      expect(admitted(limit, "loud", 1)).toBe(0);
    }
  }
});
