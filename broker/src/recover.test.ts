import { beforeEach, describe, expect, test } from "vitest";
import { Book } from "./claim/book.ts";
import { Ending } from "./claim/ending.ts";
import { Lease } from "./claim/lease.ts";
import { bring, Bench, claimOf } from "./claim/testing.ts";
import { Turns } from "./claim/turns.ts";
import { Recovery } from "./recover.ts";
import { silent, vouchedFor } from "./testing.ts";
import { beatsOnce } from "./claim/testing.ts";

let bench: Bench;
let turns: Turns;
let recovery: Recovery;

beforeEach(async () => {
  bench = new Bench();
  const { ledger, vault, clock } = bench;
  const lease = new Lease(ledger, clock, "sweeper-01");
  const book = new Book(ledger);
  turns = new Turns(clock);
  const parts = { book, revoker: vault, clock, log: silent };
  const ending = new Ending({ ...parts, owner: lease.owner });
  recovery = new Recovery({ book, lease, turns, ending, log: silent });
});

/** Leaves claims in `sent` behind, of a broker that is dead for whoever has swept twice. */
async function leave(count: number): Promise<void> {
  const dead = await bench.started(beatsOnce(bench.ledger));
  for (let n = 0; n < count; n += 1) {
    const task = named(n);
    await bring(dead, bench.vault, await claimOf(dead, task), "sent");
  }
  await recovery.sweep();
  await bench.clock.advance(5000);
}

const named = (n: number): ReturnType<typeof vouchedFor> =>
  vouchedFor({ containerName: `c${String(n).padStart(4, "0")}` });

describe("a sweep", () => {
  test("goes through more claims than one scan brings", async () => {
    await leave(250);
    await recovery.sweep();
    expect(await bench.ledger.scan("open", "", 10)).toEqual([]);
    expect(await bench.ledger.scan("settled", "", 300)).toHaveLength(250);
    expect(bench.vault.alive.size).toBe(0);
  });

  test("stops after three refusals and throws the first", async () => {
    await leave(10);
    bench.vault.down = true;
    await expect(recovery.sweep()).rejects.toMatchObject({
      code: "vault_unavailable",
    });
    const states = await Promise.all(
      Array.from({ length: 10 }, (_, n) => bench.state(named(n))),
    );
    expect(states.filter((state) => state === "revoking")).toHaveLength(3);
  });

  test("begins where the last one stopped, so that one that cannot be ended keeps no other waiting", async () => {
    await leave(10);
    const stuck = new Set(["inner-1", "inner-2", "inner-3"]);
    const lookup = bench.vault.lookupAccessor.bind(bench.vault);
    bench.vault.lookupAccessor = (accessor) =>
      stuck.has(accessor) ? Promise.resolve("alive") : lookup(accessor);
    for (let round = 0; round < 3; round += 1) {
      const swept = recovery.sweep().catch(() => undefined);
      await bench.clock.advance(5000);
      await swept;
    }
    const left = await bench.ledger.scan("open", "", 20);
    expect(left).toHaveLength(3);
  });

  test("leaves alone what somebody has the turn of", async () => {
    await leave(1);
    const [entry] = await bench.ledger.scan("open", "", 1);
    turns.take(entry?.key ?? "");
    await recovery.sweep();
    expect(await bench.state(named(0))).toBe("sent");
    turns.give(entry?.key ?? "");
    await recovery.sweep();
    expect(await bench.state(named(0))).toBe("released");
  });

  test("goes on past a damaged record, which stays", async () => {
    await leave(2);
    await bench.ledger.putIfAbsent("claim|a", "open", "{");
    await recovery.sweep();
    expect(await bench.ledger.scan("open", "", 10)).toMatchObject([
      { key: "claim|a" },
    ]);
  });
});
