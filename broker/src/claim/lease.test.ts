import { ManualClock } from "@vaultbuddy/common/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { MemoryLedger } from "../ledger/memory.ts";
import { DEAD, FRESH, Lease } from "./lease.ts";
import { FlakyLedger } from "./testing.ts";

const HOUR = 3_600_000;

let clock: ManualClock;
let ledger: FlakyLedger;
let lease: Lease;
let watcher: Lease;

beforeEach(() => {
  clock = new ManualClock();
  ledger = new FlakyLedger();
  lease = new Lease(ledger, clock, "owner-01");
  watcher = new Lease(ledger, clock, "owner-02");
});

describe("one's own lease", () => {
  test("is not fresh before the first beat", () => {
    expect(lease.isFresh()).toBe(false);
  });

  test("is fresh for less than three seconds after a beat", async () => {
    await lease.beat();
    await clock.advance(FRESH - 1);
    expect(lease.isFresh()).toBe(true);
    await clock.advance(1);
    expect(lease.isFresh()).toBe(false);
    await lease.beat();
    expect(lease.isFresh()).toBe(true);
  });

  test("counts from the moment the beat was asked for, however long it took", async () => {
    const slow = new (class extends MemoryLedger {
      override async putIfAbsent(
        ...args: Parameters<MemoryLedger["putIfAbsent"]>
      ): Promise<string | undefined> {
        await clock.sleep(FRESH);
        return super.putIfAbsent(...args);
      }
    })();
    const late = new Lease(slow, clock, "owner-03");
    const beat = late.beat();
    await clock.advance(FRESH);
    await beat;
    expect(late.isFresh()).toBe(false);
  });

  test("goes on after a beat whose answer was lost, and after its heartbeat was thrown away", async () => {
    await lease.beat();
    const entry = await ledger.read("owner|owner-01");
    await ledger.compareAndSwap(
      "owner|owner-01",
      entry?.version ?? "",
      "owner",
      '{"v":1,"count":7}',
    );
    await lease.beat();
    const again = await ledger.read("owner|owner-01");
    await ledger.remove("owner|owner-01", again?.version ?? "");
    await lease.beat();
    expect(lease.isFresh()).toBe(true);
  });

  test("never repeats a count", async () => {
    const seen = new Set<string>();
    for (let beat = 0; beat < 5; beat += 1) {
      await lease.beat();
      const entry = await ledger.read("owner|owner-01");
      seen.add(entry?.value ?? "");
      await ledger.remove("owner|owner-01", entry?.version ?? "");
    }
    expect(seen.size).toBe(5);
  });

  test("ends with its heartbeat", async () => {
    await lease.beat();
    await lease.leave();
    expect(lease.isFresh()).toBe(false);
    expect(await ledger.read("owner|owner-01")).toBeUndefined();
  });
});

describe("another's lease", () => {
  test("is not judged at first sight, however old it may be", async () => {
    await lease.beat();
    await clock.advance(HOUR);
    expect(await watcher.isDead("owner-01")).toBe(false);
  });

  test("is over when its count was unchanged for five seconds", async () => {
    await lease.beat();
    await watcher.isDead("owner-01");
    await clock.advance(DEAD - 1);
    expect(await watcher.isDead("owner-01")).toBe(false);
    await clock.advance(1);
    expect(await watcher.isDead("owner-01")).toBe(true);
  });

  test("is not over while it is counted up", async () => {
    for (let second = 0; second < 20; second += 1) {
      await lease.beat();
      expect(await watcher.isDead("owner-01")).toBe(false);
      await clock.advance(DEAD - 1);
    }
  });

  test("that comes back after a silence is alive again", async () => {
    await lease.beat();
    await watcher.isDead("owner-01");
    await clock.advance(DEAD);
    expect(await watcher.isDead("owner-01")).toBe(true);
    await lease.beat();
    expect(await watcher.isDead("owner-01")).toBe(false);
  });

  test("without a heartbeat is over after the same five seconds", async () => {
    expect(await watcher.isDead("nobody")).toBe(false);
    await clock.advance(DEAD - 1);
    expect(await watcher.isDead("nobody")).toBe(false);
    await clock.advance(1);
    expect(await watcher.isDead("nobody")).toBe(true);
  });

  test("of another version is watched like any other", async () => {
    const first = await ledger.putIfAbsent("owner|owner-09", "owner", "v2!");
    expect(await watcher.isDead("owner-09")).toBe(false);
    await clock.advance(DEAD);
    await ledger.compareAndSwap("owner|owner-09", first ?? "", "owner", "v2!");
    expect(await watcher.isDead("owner-09")).toBe(false);
    await clock.advance(DEAD);
    expect(await watcher.isDead("owner-09")).toBe(true);
  });

  test("that cannot be read is no sign of death", async () => {
    await lease.beat();
    await watcher.isDead("owner-01");
    await clock.advance(DEAD);
    ledger.down = true;
    await expect(watcher.isDead("owner-01")).rejects.toMatchObject({
      code: "ledger_unavailable",
    });
  });
});

describe("tidying", () => {
  test("throws heartbeats away that were silent for an hour, and no other", async () => {
    await lease.beat();
    await watcher.beat();
    const third = new Lease(ledger, clock, "owner-03");
    await third.beat();
    await watcher.tidy();
    await clock.advance(HOUR);
    await third.beat();
    await watcher.tidy();
    const left = await ledger.scan("owner", "", 10);
    expect(left.map((entry) => entry.key)).toEqual([
      "owner|owner-02",
      "owner|owner-03",
    ]);
  });
});
