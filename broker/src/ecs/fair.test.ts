import { ManualClock } from "@vaultbuddy/common/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Cache } from "./cache.ts";
import { FairQueue } from "./fair.ts";

interface Item {
  readonly id: number;
  readonly source: string;
  readonly group: string;
  readonly live: boolean;
}

const items = fc
  .array(
    fc.record({
      source: fc.constantFrom("a", "b", "c"),
      group: fc.constantFrom("x", "y"),
      live: fc.boolean(),
    }),
    { maxLength: 60 },
  )
  .map((list) => list.map((item, id): Item => ({ ...item, id })));

function filled(list: readonly Item[]): FairQueue<Item> {
  const queue = new FairQueue<Item>();
  list.forEach((item) => queue.push(item.source, item));
  return queue;
}

describe("a fair queue", () => {
  test("gives every live entry once, in its source's order, and dead ones never", () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 1, max: 7 }), (list, most) => {
        const queue = filled(list);
        const taken: Item[] = [];
        while (!queue.empty) {
          const group = queue.nextGroup() ?? "none";
          const batch = queue.take(group, most);
          expect(batch.length).toBeGreaterThan(0);
          expect(batch.length).toBeLessThanOrEqual(most);
          expect(batch.every((item) => item.group === group)).toBe(true);
          taken.push(...batch);
        }
        const live = list.filter((item) => item.live);
        expect(taken.toSorted((a, b) => a.id - b.id)).toEqual(live);
        for (const source of ["a", "b", "c"]) {
          expect(queue.length(source)).toBe(0);
          for (const group of ["x", "y"]) {
            const own = taken.filter(
              (item) => item.source === source && item.group === group,
            );
            expect(own).toEqual(own.toSorted((p, q) => p.id - q.id));
          }
        }
      }),
    );
  });

  test("gives no source more than one entry more than another that still waits", () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 1, max: 30 }), (list, most) => {
        const live = list.filter((item) => item.live);
        const batch = filled(live).take("x", most);
        const count = (of: readonly Item[], source: string): number =>
          of.filter((one) => one.source === source && one.group === "x").length;
        const sources = ["a", "b", "c"];
        for (const waiting of sources) {
          if (count(batch, waiting) < count(live, waiting)) {
            for (const served of sources) {
              expect(count(batch, served)).toBeLessThanOrEqual(
                count(batch, waiting) + 1,
              );
            }
          }
        }
      }),
    );
  });
});

describe("a cache", () => {
  test("forgets what is too old, and what was used longest ago when it is full", async () => {
    const clock = new ManualClock(0);
    const cache = new Cache<number>(2, 100, clock);
    cache.set("a", 1);
    cache.set("b", 2);
    expect(cache.get("a")).toBe(1);
    cache.set("c", 3);
    expect([cache.get("a"), cache.get("b"), cache.get("c")]).toEqual([
      1,
      undefined,
      3,
    ]);
    await clock.advance(100);
    expect(cache.get("a")).toBeUndefined();
  });
});
