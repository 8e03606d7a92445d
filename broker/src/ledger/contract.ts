// What every ledger must do, as tests: each store's own test file runs them against itself. For tests only.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Ledger } from "./ledger.ts";

/** A store under test. */
export interface Bench {
  /** Another connection to the same, initially empty store, as another broker would open it. */
  open(): Promise<Ledger>;
  /** Removes the store. Every ledger that was opened is closed by then. */
  clear(): Promise<void>;
}

/** Declares the tests. */
export function ledgerContract(
  name: string,
  prepare: () => Promise<Bench>,
): void {
  describe(`a ledger in ${name}`, () => {
    let bench: Bench;
    let ledger: Ledger;
    let other: Ledger;

    beforeEach(async () => {
      bench = await prepare();
      ledger = await bench.open();
      other = await bench.open();
    });
    afterEach(async () => {
      await ledger.close();
      await other.close();
      await bench.clear();
    });

    test("what was never put is absent", async () => {
      expect(await ledger.read("a")).toBeUndefined();
      expect(await ledger.scan("open", "", 10)).toEqual([]);
    });

    test("what one broker put, another reads", async () => {
      const version = await ledger.putIfAbsent("a", "open", '{"ü":"\\u0000"}');
      expect(await other.read("a")).toEqual({
        key: "a",
        value: '{"ü":"\\u0000"}',
        version,
      });
    });

    test("the second to put is refused and changes nothing", async () => {
      const version = await ledger.putIfAbsent("a", "open", "1");
      expect(await other.putIfAbsent("a", "settled", "2")).toBeUndefined();
      expect(await ledger.read("a")).toEqual({ key: "a", value: "1", version });
    });

    test("of fifty that put at once, one does", async () => {
      const puts = Array.from({ length: 50 }, (_, n) =>
        (n % 2 === 0 ? ledger : other).putIfAbsent("a", "open", `${n}`),
      );
      const versions = await Promise.all(puts);
      expect(versions.filter((version) => version !== undefined)).toHaveLength(
        1,
      );
    });

    test("a swap needs the last version", async () => {
      const first = (await ledger.putIfAbsent("a", "open", "1")) ?? "";
      const second = await other.compareAndSwap("a", first, "open", "2");
      expect(second).toBeDefined();
      expect(second).not.toBe(first);
      expect(
        await ledger.compareAndSwap("a", first, "open", "3"),
      ).toBeUndefined();
      expect((await ledger.read("a"))?.value).toBe("2");
    });

    test("of fifty that swap at once, one does", async () => {
      const first = (await ledger.putIfAbsent("a", "open", "x")) ?? "";
      const swaps = Array.from({ length: 50 }, (_, n) =>
        (n % 2 === 0 ? ledger : other).compareAndSwap(
          "a",
          first,
          "open",
          `${n}`,
        ),
      );
      const versions = await Promise.all(swaps);
      expect(versions.filter((version) => version !== undefined)).toHaveLength(
        1,
      );
    });

    test("a swap of what is absent is refused and puts nothing", async () => {
      expect(
        await ledger.compareAndSwap("a", "v", "open", "1"),
      ).toBeUndefined();
      expect(await ledger.read("a")).toBeUndefined();
    });

    test("a removal needs the last version", async () => {
      const first = (await ledger.putIfAbsent("a", "open", "1")) ?? "";
      const second =
        (await ledger.compareAndSwap("a", first, "open", "2")) ?? "";
      expect(await other.remove("a", first)).toBe(false);
      expect(await other.remove("a", second)).toBe(true);
      expect(await other.remove("a", second)).toBe(false);
      expect(await ledger.read("a")).toBeUndefined();
    });

    test("a version does not come back when a key is put again", async () => {
      const first = (await ledger.putIfAbsent("a", "open", "1")) ?? "";
      await ledger.remove("a", first);
      await ledger.putIfAbsent("a", "open", "1");
      expect(
        await ledger.compareAndSwap("a", first, "open", "2"),
      ).toBeUndefined();
      expect(await ledger.remove("a", first)).toBe(false);
    });

    test("a swap moves an entry to the shelf it names", async () => {
      const version = (await ledger.putIfAbsent("a", "open", "1")) ?? "";
      await ledger.compareAndSwap("a", version, "settled", "2");
      expect(await other.scan("open", "", 10)).toEqual([]);
      expect(await other.scan("settled", "", 10)).toMatchObject([
        { key: "a", value: "2" },
      ]);
    });

    test("a scan goes through a shelf in pages and leaves nothing out", async () => {
      const keys = Array.from({ length: 25 }, (_, n) => `k${100 + n}|é/${n}`);
      for (const key of keys.toReversed()) {
        await ledger.putIfAbsent(key, "open", key);
      }
      await ledger.putIfAbsent("k", "owner", "not on this shelf");
      const found: string[] = [];
      for (let after = ""; ;) {
        const page = await other.scan("open", after, 10);
        found.push(...page.map((entry) => entry.value));
        const last = page.at(-1);
        if (last === undefined) {
          break;
        }
        expect(page.length).toBeLessThanOrEqual(10);
        after = last.key;
      }
      expect(found).toEqual(keys);
    });

    test("a page is found although the entry before it is gone", async () => {
      const version = (await ledger.putIfAbsent("a", "open", "1")) ?? "";
      await ledger.putIfAbsent("b", "open", "2");
      await ledger.remove("a", version);
      expect(await ledger.scan("open", "a", 1)).toMatchObject([{ key: "b" }]);
    });
  });
}
