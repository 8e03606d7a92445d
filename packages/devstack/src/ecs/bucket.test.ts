// The token bucket in manual time.

import { expect, test } from "vitest";
import { awsRates, Bucket } from "./bucket.ts";

function take(bucket: Bucket, times: number): number {
  return Array.from({ length: times }, () => bucket.take()).filter(Boolean)
    .length;
}

test("a burst is let through, then nothing until the refill", () => {
  let now = 0;
  const bucket = new Bucket(awsRates.resourceRead, () => now);
  expect(take(bucket, 150)).toBe(100);
  now += 49;
  expect(bucket.take()).toBe(false);
  now += 1;
  expect(take(bucket, 2)).toBe(1);
  now += 1000;
  expect(take(bucket, 50)).toBe(20);
});

test("the bucket holds no more than its burst", () => {
  let now = 0;
  const bucket = new Bucket({ burst: 3, refill: 10 }, () => now);
  now += 3_600_000;
  expect(bucket.level).toBe(3);
});

test("a clock that is set back gives nothing and takes nothing", () => {
  let now = 10_000;
  const bucket = new Bucket({ burst: 2, refill: 1 }, () => now);
  bucket.take();
  now = 0;
  expect(bucket.level).toBe(1);
  now = 1000;
  expect(bucket.level).toBe(2);
});

test("a new rate holds from then on, with a full bucket", () => {
  const bucket = new Bucket({ burst: 1, refill: 0 }, () => 0);
  bucket.take();
  bucket.reset({ burst: 2, refill: 0 });
  expect(take(bucket, 5)).toBe(2);
});
