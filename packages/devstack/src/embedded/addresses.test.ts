// Slices of 127/8 and the addresses in them.

import { afterEach, expect, test } from "vitest";
import { dotted, Pool, type Slice, subnet, takeSlice } from "./addresses.ts";

const slices: Slice[] = [];
afterEach(() => Promise.all(slices.splice(0).map((one) => one.release())));

test("two engines never have the same slice, and a released one is free again", async () => {
  const first = await takeSlice();
  const second = await takeSlice();
  slices.push(second);
  expect(second.octet).not.toBe(first.octet);
  await first.release();
  const third = await takeSlice();
  slices.push(third);
  expect(third.octet).toBe(first.octet);
});

test("every network of a slice is within it and overlaps no other", () => {
  const places = Array.from({ length: 40 }, (_, place) => subnet(64, place));
  const ranges = places.filter((one) => one !== undefined);
  expect(ranges).toHaveLength(29);
  const [bridge, ...others] = ranges.map(({ base, prefix }) => [
    base,
    base + 2 ** (32 - prefix),
  ]);
  expect(dotted(bridge?.[0] ?? 0)).toBe("127.64.0.0");
  const ordered = [bridge, ...others].map((one) => one ?? []);
  for (const [at, one] of ordered.entries())
    expect(one[1]).toBeLessThanOrEqual(ordered[at + 1]?.[0] ?? Infinity);
  expect(dotted((ordered.at(-1)?.[1] ?? 0) - 1)).toBe("127.71.255.255");
});

test("addresses are given out in turn, not those of gateway and network, and end", () => {
  const pool = new Pool({ base: 256, prefix: 29 });
  const all = [1, 2, 3, 4].map(() => pool.take());
  expect(all).toEqual([258, 259, 260, 261]);
  expect(pool.take()).toBeUndefined();
  pool.giveBack(259);
  pool.giveBack(258);
  expect(pool.take()).toBe(258);
});
