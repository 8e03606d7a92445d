import { Refusal } from "@vaultbuddy/common";
import { ManualClock } from "@vaultbuddy/common/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { silent } from "../testing.ts";
import { Lease } from "./lease.ts";
import { FlakyLedger } from "./testing.ts";
import { Upkeep } from "./upkeep.ts";

let clock: ManualClock;
let ledger: FlakyLedger;
let lease: Lease;
let swept: number[];
let fails: Error | undefined;
let lines: string[];
let upkeep: Upkeep;

beforeEach(() => {
  clock = new ManualClock(0);
  ledger = new FlakyLedger();
  lease = new Lease(ledger, clock, "owner-01");
  swept = [];
  fails = undefined;
  lines = [];
  const log = {
    ...silent,
    warn: (_: unknown, text: string) => lines.push(`warn ${text}`),
    error: (_: unknown, text: string) => lines.push(`error ${text}`),
    info: (_: unknown, text: string) => lines.push(`info ${text}`),
  } as unknown as typeof silent;
  upkeep = new Upkeep(lease, clock, log, async () => {
    swept.push(clock.now());
    if (fails !== undefined) {
      throw fails;
    }
  });
});

describe("the upkeep", () => {
  test("beats and sweeps at once and then every second", async () => {
    await upkeep.start();
    await clock.advance(3000);
    expect(swept).toEqual([0, 1000, 2000, 3000]);
    await clock.advance(60_000);
    expect(lease.isFresh()).toBe(true);
    expect(lines).toEqual([]);
  });

  test("does not start without a ledger, and not twice", async () => {
    ledger.down = true;
    await expect(upkeep.start()).rejects.toMatchObject({
      code: "ledger_unavailable",
    });
    await clock.advance(5000);
    expect(swept).toEqual([]);
    ledger.down = false;
    await upkeep.start();
    await expect(upkeep.start()).rejects.toThrow(/twice/);
  });

  test("goes on beating through an outage, and is fresh again within a second", async () => {
    await upkeep.start();
    ledger.down = true;
    await clock.advance(30_000);
    expect(lease.isFresh()).toBe(false);
    ledger.down = false;
    await clock.advance(1000);
    expect(lease.isFresh()).toBe(true);
  });

  test("sweeps less often while sweeps fail, and tells the first failure and the end of it", async () => {
    await upkeep.start();
    fails = new Refusal("vault_unavailable", "down");
    await clock.advance(60_000);
    expect(swept.length).toBeGreaterThan(5);
    expect(swept.length).toBeLessThan(20);
    expect(lines).toEqual(["warn failed; tried again"]);
    fails = undefined;
    await clock.advance(10_000);
    expect(lines).toEqual(["warn failed; tried again", "info works again"]);
  });

  test("survives a fault of its own, which is told as an error", async () => {
    await upkeep.start();
    fails = new Error("a fault");
    await clock.advance(10_000);
    fails = undefined;
    await clock.advance(10_000);
    expect(lines).toEqual(["error failed; tried again", "info works again"]);
  });

  test("ends with its heartbeat removed, and beats and sweeps no more", async () => {
    await upkeep.start();
    await upkeep.stop();
    expect(await ledger.scan("owner", "", 10)).toEqual([]);
    expect(lease.isFresh()).toBe(false);
    const before = swept.length;
    await clock.advance(10_000);
    expect(swept).toHaveLength(before);
    expect(clock.sleeping).toBe(0);
  });

  test("ends when the ledger is away, too", async () => {
    await upkeep.start();
    ledger.down = true;
    await upkeep.stop();
    expect(lease.isFresh()).toBe(false);
  });
});
