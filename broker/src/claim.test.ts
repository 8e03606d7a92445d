import { Refusal, systemClock } from "@vaultbuddy/common";
import type { NoticeCode } from "@vaultbuddy/common";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { ClaimLost } from "./claim.ts";
import type { Claims } from "./claim.ts";
import { beatsOnce, Bench, bring, claimOf, never } from "./claim/testing.ts";
import { openSqliteLedger } from "./ledger/sqlite.ts";
import { rule, vouchedFor } from "./testing.ts";

const refused = new Refusal("delivery_refused", "the container said no");
const code = (value: NoticeCode): { code: NoticeCode } => ({ code: value });

let bench: Bench;
let claims: Claims;

beforeEach(async () => {
  bench = new Bench();
  claims = await bench.started();
});

describe("one claim after the other", () => {
  test("the first notice gets the claim and every step is written before it is done", async () => {
    expect(await bench.state()).toBe("none");
    const claim = await claimOf(claims);
    expect(claim).toMatchObject({ generation: 0, task: vouchedFor() });
    expect(await bench.state()).toBe("reserved");
    await claims.minting(claim);
    expect(await bench.record()).toMatchObject({ state: "reserved", mints: 1 });
    const token = bench.vault.mint();
    await claims.minted(claim, token);
    expect(await bench.record()).toMatchObject({ state: "minted", token });
    await claims.sending(claim);
    expect(await bench.state()).toBe("sent");
    claims.fresh(claim);
    await claims.delivered(claim);
    expect(await bench.record()).toMatchObject({
      state: "delivered",
      deliveryId: claim.deliveryId,
      token,
    });
    expect(bench.vault.asked).toEqual([]);
  });

  test("a served container is refused, and its standing says so before ECS is asked", async () => {
    await bring(claims, bench.vault, await claimOf(claims), "delivered");
    await expect(claims.take(vouchedFor(), never)).rejects.toMatchObject(
      code("already_delivered"),
    );
    expect(await claims.standing(vouchedFor())).toEqual({
      state: "delivered",
      generation: 0,
      mints: 1,
      family: "web",
      deliveredAt: bench.clock.now(),
    });
  });

  test("another container of the same task has a claim of its own", async () => {
    await bring(claims, bench.vault, await claimOf(claims), "delivered");
    const side = vouchedFor({ containerName: "side" });
    expect(await claimOf(claims, side)).toMatchObject({ generation: 0 });
  });

  test("a container that nobody served may try again, and no mint is counted", async () => {
    const timeout = new Refusal("delivery_timeout", "nobody listens");
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const claim = await claimOf(claims);
      expect(await claims.release(claim, timeout)).toBe(timeout);
      expect(await bench.record()).toMatchObject({
        state: "released",
        code: "delivery_timeout",
        mints: 0,
      });
    }
  });

  test("a mint that Vault declined is given back", async () => {
    const down = new Refusal("vault_unavailable", "Vault is down");
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const claim = await claimOf(claims);
      await claims.minting(claim);
      expect(await claims.release(claim, down)).toBe(down);
    }
    expect(await bench.record()).toMatchObject({ state: "released", mints: 0 });
  });

  test("a mint whose answer was lost stays counted, and the third is the last", async () => {
    const lost = new Refusal("vault_unavailable", "no answer");
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const claim = await claimOf(claims);
      await claims.minting(claim);
      await claims.undo(claim, lost);
    }
    await expect(claims.take(vouchedFor(), never)).rejects.toMatchObject(
      code("delivery_refused"),
    );
  });

  test("each attempt has a delivery of its own", async () => {
    const first = await claimOf(claims);
    await claims.release(first, refused);
    const second = await claimOf(claims);
    expect(second.deliveryId).not.toBe(first.deliveryId);
  });

  test("what has ended can do nothing more, and ending it again does nothing", async () => {
    const claim = await claimOf(claims);
    await claims.release(claim, refused);
    await expect(claims.minting(claim)).rejects.toBeInstanceOf(ClaimLost);
    await expect(
      claims.minted(claim, bench.vault.mint()),
    ).rejects.toBeInstanceOf(ClaimLost);
    expect(() => claims.fresh(claim)).toThrow(ClaimLost);
    expect(await claims.undo(claim, refused)).toBe(refused);
    expect(await bench.state()).toBe("released");
  });
});

describe("what a failure takes back", () => {
  test("from minted both tokens, the inner one first, and the container may try again", async () => {
    const claim = await claimOf(claims);
    const { accessor, wrapAccessor } = await bring(
      claims,
      bench.vault,
      claim,
      "minted",
    );
    expect(await claims.undo(claim, refused)).toBe(refused);
    expect(bench.vault.asked).toEqual([
      `revoke ${accessor}`,
      `lookup ${accessor}`,
      `revoke ${wrapAccessor}`,
      `lookup ${wrapAccessor}`,
    ]);
    expect(await bench.record()).toMatchObject({ state: "released", mints: 1 });
  });

  test("from sent it is released when the wrapping token was still there", async () => {
    const claim = await claimOf(claims);
    await bring(claims, bench.vault, claim, "sent");
    expect(await claims.undo(claim, refused)).toBe(refused);
    expect(bench.vault.alive.size).toBe(0);
    expect(await bench.state()).toBe("released");
  });

  test("from sent it is uncertain for ever when the wrapping token was spent", async () => {
    const claim = await claimOf(claims);
    const token = await bring(claims, bench.vault, claim, "sent");
    bench.vault.open(token);
    expect(await claims.undo(claim, refused)).toMatchObject(
      code("delivery_uncertain"),
    );
    expect(bench.vault.alive.size).toBe(0);
    expect(await bench.state()).toBe("uncertain");
    await expect(claims.take(vouchedFor(), never)).rejects.toMatchObject(
      code("delivery_uncertain"),
    );
  });

  test("a wrapping token that is gone after its time counts as expired", async () => {
    const claim = await claimOf(claims);
    const token = await bring(claims, bench.vault, claim, "sent");
    await bench.clock.advance(62_000);
    bench.vault.open(token);
    expect(await claims.undo(claim, refused)).toBe(refused);
    expect(await bench.state()).toBe("released");
  });

  test("while Vault is down it stays revoking, and the sweep ends it when Vault is back", async () => {
    const claim = await claimOf(claims);
    await bring(claims, bench.vault, claim, "sent");
    bench.vault.down = true;
    expect(await claims.undo(claim, refused)).toMatchObject(
      code("vault_unavailable"),
    );
    expect(await bench.state()).toBe("revoking");
    await expect(claims.take(vouchedFor(), never)).rejects.toMatchObject(
      code("vault_unavailable"),
    );
    await bench.clock.advance(30_000);
    expect(await bench.state()).toBe("revoking");
    bench.vault.down = false;
    await bench.clock.advance(10_000);
    expect(await bench.record()).toMatchObject({
      state: "released",
      code: "delivery_refused",
    });
    expect(bench.vault.alive.size).toBe(0);
  });

  test("a notice that comes while a revocation is open ends it and goes on", async () => {
    const claim = await claimOf(claims);
    await bring(claims, bench.vault, claim, "minted");
    bench.vault.down = true;
    await claims.undo(claim, refused);
    bench.vault.down = false;
    expect(await claimOf(claims)).toMatchObject({ generation: 0 });
    expect(bench.vault.alive.size).toBe(0);
  });

  test("a revocation that Vault accepts and does not do is not believed", async () => {
    const claim = await claimOf(claims);
    await bring(claims, bench.vault, claim, "minted");
    bench.vault.stubborn = true;
    const undone = claims.undo(claim, refused);
    await bench.clock.advance(1000);
    expect(await undone).toMatchObject(code("vault_unavailable"));
    expect(await bench.state()).toBe("revoking");
  });

  test("a token that could not be written down is revoked by what this broker remembers", async () => {
    const claim = await claimOf(claims);
    await claims.minting(claim);
    const token = bench.vault.mint();
    bench.ledger.down = true;
    await expect(claims.minted(claim, token)).rejects.toMatchObject(
      code("ledger_unavailable"),
    );
    expect(await claims.undo(claim, refused)).toMatchObject(
      code("ledger_unavailable"),
    );
    expect(bench.vault.alive.size).toBe(0);
    bench.ledger.down = false;
    await bench.clock.advance(3000);
    expect(await bench.state()).toBe("released");
  });

  test("the ledger comes back in time: what was not written as minted is written as revoking", async () => {
    const claim = await claimOf(claims);
    await claims.minting(claim);
    const token = bench.vault.mint();
    bench.ledger.down = true;
    await claims.minted(claim, token).catch(() => undefined);
    bench.ledger.down = false;
    bench.vault.down = true;
    await claims.undo(claim, refused);
    expect(await bench.record()).toMatchObject({ state: "revoking", token });
  });

  test("a write whose answer was lost is known to have happened", async () => {
    const claim = await claimOf(claims);
    await claims.minting(claim);
    bench.ledger.losesAnswer = true;
    await claims.minted(claim, bench.vault.mint());
    bench.ledger.losesAnswer = true;
    await claims.sending(claim);
    bench.ledger.losesAnswer = true;
    await claims.delivered(claim);
    expect(await bench.state()).toBe("delivered");
  });

  test("a flow that never ends its claim loses it a minute after its deadline", async () => {
    const deadline = new AbortController();
    const claim = await claimOf(claims, vouchedFor(), deadline.signal);
    await bring(claims, bench.vault, claim, "sent");
    deadline.abort();
    await bench.clock.advance(55_000);
    expect(await bench.state()).toBe("sent");
    await bench.clock.advance(10_000);
    expect(await bench.state()).toBe("released");
    expect(() => claims.fresh(claim)).toThrow(ClaimLost);
  });
});

describe("a receipt", () => {
  test("that the ledger would not take at once is written when it is back", async () => {
    const claim = await claimOf(claims);
    const token = await bring(claims, bench.vault, claim, "sent");
    bench.vault.open(token);
    bench.ledger.down = true;
    const written = claims.delivered(claim);
    await bench.clock.advance(500);
    bench.ledger.down = false;
    await bench.clock.advance(1500);
    await written;
    expect(await bench.state()).toBe("delivered");
  });

  test("that could not be written for long is written by the sweep, and the token lives on", async () => {
    const claim = await claimOf(claims);
    const token = await bring(claims, bench.vault, claim, "sent");
    bench.vault.open(token);
    bench.ledger.down = true;
    const failed = expect(claims.delivered(claim)).rejects.toMatchObject(
      code("ledger_unavailable"),
    );
    await bench.clock.advance(60_000);
    await failed;
    expect(await claims.undo(claim, refused)).toBe(refused);
    bench.ledger.down = false;
    await bench.clock.advance(20_000);
    expect(await bench.state()).toBe("delivered");
    expect([...bench.vault.alive]).toEqual([token.accessor]);
  });
});

describe("many at once", () => {
  test("of fifty takes one gets the claim and the others its outcome", async () => {
    const takes = Array.from({ length: 50 }, () =>
      claims.take(vouchedFor(), never),
    );
    const claim = await Promise.any(
      takes.map(async (take) => {
        const taken = await take;
        return "claim" in taken ? taken.claim : Promise.reject(new Error("no"));
      }),
    );
    await bring(claims, bench.vault, claim, "delivered");
    const all = await Promise.all(takes);
    expect(all.filter((taken) => "claim" in taken)).toHaveLength(1);
    const joined = { outcome: "delivered", deliveryId: claim.deliveryId };
    expect(all.filter((taken) => "joined" in taken)).toEqual(
      Array.from({ length: 49 }, () => ({ joined })),
    );
  });

  test("a failure is answered to all who waited for it with its code", async () => {
    const claim = await claimOf(claims);
    const waiting = Array.from({ length: 5 }, () =>
      claims.take(vouchedFor(), never),
    );
    const outcomes = Promise.allSettled(waiting);
    await bench.clock.advance(10);
    await bring(claims, bench.vault, claim, "sent");
    await claims.undo(claim, refused);
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({
        status: "rejected",
        reason: code("delivery_refused"),
      });
    }
  });

  test("whoever waits past the deadline is answered delivery_timeout", async () => {
    await claimOf(claims);
    const deadline = new AbortController();
    const waiting = claims.take(vouchedFor(), deadline.signal);
    const answered = expect(waiting).rejects.toMatchObject(
      code("delivery_timeout"),
    );
    await bench.clock.advance(90_000);
    deadline.abort();
    await answered;
  });
});

describe("two brokers on one file", () => {
  test("give one claim between them, and the other answers its outcome", async () => {
    const directory = mkdtempSync(join(tmpdir(), "vaultbuddy-claims-"));
    const files = [1, 2].map(() =>
      openSqliteLedger(join(directory, "ledger.db"), systemClock),
    );
    const brokers = await Promise.all(files.map((file) => bench.started(file)));
    const takes = Array.from({ length: 50 }, (_, n) => ({
      broker: brokers[n % 2] ?? claims,
      take: (brokers[n % 2] ?? claims).take(vouchedFor(), never),
    }));
    const winner = await Promise.any(
      takes.map(async ({ broker, take }) => {
        const taken = await take;
        return "claim" in taken
          ? { broker, claim: taken.claim }
          : Promise.reject(new Error("no"));
      }),
    );
    await bring(winner.broker, bench.vault, winner.claim, "delivered");
    await bench.clock.advance(1000);
    const all = await Promise.all(takes.map(({ take }) => take));
    expect(all.filter((taken) => "claim" in taken)).toHaveLength(1);
    for (const broker of brokers) {
      const stopped = broker.stop();
      await bench.clock.advance(1);
      await stopped;
    }
    await Promise.all(files.map((file) => file.close()));
    rmSync(directory, { recursive: true });
  });
});

describe("a lease", () => {
  test("must be written before anything is claimed", async () => {
    bench.ledger.down = true;
    await expect(bench.broker().start()).rejects.toMatchObject(
      code("ledger_unavailable"),
    );
  });

  test("that is three seconds old lets nothing be minted or sent", async () => {
    const claim = await claimOf(claims);
    const token = await bring(claims, bench.vault, claim, "minted");
    const other = await claimOf(claims, vouchedFor({ containerName: "side" }));
    bench.ledger.down = true;
    await bench.clock.advance(3000);
    bench.ledger.down = false;
    await expect(claims.minting(other)).rejects.toMatchObject(
      code("ledger_unavailable"),
    );
    await expect(claims.sending(claim)).rejects.toMatchObject(
      code("ledger_unavailable"),
    );
    expect(await bench.record()).toMatchObject({ state: "minted", token });
    await bench.clock.advance(1000);
    await claims.sending(claim);
    claims.fresh(claim);
    bench.ledger.down = true;
    await bench.clock.advance(3000);
    expect(() => claims.fresh(claim)).toThrow(
      expect.objectContaining(code("ledger_unavailable")),
    );
  });

  test("nothing is sent before it is written down", async () => {
    const claim = await claimOf(claims);
    await bring(claims, bench.vault, claim, "minted");
    expect(() => claims.fresh(claim)).toThrow(/written down/);
  });
});

describe("when a broker dies", () => {
  for (const state of ["minted", "sent"] as const) {
    test(`its claim in ${state} is taken back by a waiting notice, which then goes on`, async () => {
      const dead = await bench.started(beatsOnce(bench.ledger));
      const claim = await claimOf(dead);
      const token = await bring(dead, bench.vault, claim, state);
      const waiting = claims.take(vouchedFor(), never);
      await bench.clock.advance(4900);
      expect(await bench.state()).toBe(state);
      await bench.clock.advance(1500);
      expect(bench.vault.alive.has(token.accessor)).toBe(false);
      expect(bench.vault.alive.has(token.wrapAccessor)).toBe(false);
      const taken = await waiting;
      expect(taken).toMatchObject({ claim: { generation: 0 } });
      expect(await bench.record()).toMatchObject({
        state: "reserved",
        mints: 1,
      });
    });
  }

  test("its claim in reserved goes on with its mints counted", async () => {
    const dead = await bench.started(beatsOnce(bench.ledger));
    const claim = await claimOf(dead);
    await dead.minting(claim);
    const waiting = claims.take(vouchedFor(), never);
    await bench.clock.advance(7000);
    expect(await waiting).toMatchObject({ claim: { generation: 0 } });
    expect(await bench.record()).toMatchObject({ mints: 1 });
  });

  test("its claims are ended by the sweep although no notice comes", async () => {
    const dead = await bench.started(beatsOnce(bench.ledger));
    const side = vouchedFor({ containerName: "side" });
    const third = vouchedFor({ containerName: "third" });
    await bring(dead, bench.vault, await claimOf(dead), "minted");
    const sent = await claimOf(dead, side);
    bench.vault.open(await bring(dead, bench.vault, sent, "sent"));
    await claimOf(dead, third);
    await bench.clock.advance(8000);
    expect(await bench.state()).toBe("released");
    expect(await bench.state(side)).toBe("uncertain");
    expect(await bench.state(third)).toBe("released");
  });

  test("the one that only slept finds its claim lost, and takes back what it minted meanwhile", async () => {
    const asleep = await bench.started(beatsOnce(bench.ledger));
    const claim = await claimOf(asleep);
    await asleep.minting(claim);
    const late = bench.vault.mint();
    await bench.clock.advance(7000);
    expect(await bench.state()).toBe("released");
    await expect(asleep.minted(claim, late)).rejects.toBeInstanceOf(ClaimLost);
    expect(bench.vault.alive.size).toBe(0);
  });

  test("what it was revoking goes on, and what it had found out is not asked again", async () => {
    const dead = await bench.started(beatsOnce(bench.ledger));
    const claim = await claimOf(dead);
    const token = await bring(dead, bench.vault, claim, "sent");
    const record = await bench.record();
    const entry = await bench.ledger.read(
      `claim|${claim.task.taskArn}|app|${claim.task.containerId}`,
    );
    await bench.ledger.compareAndSwap(
      entry?.key ?? "",
      entry?.version ?? "",
      "open",
      JSON.stringify({
        v: 1,
        ...record,
        state: "revoking",
        from: "sent",
        unopened: true,
      }),
    );
    bench.vault.alive.delete(token.accessor);
    bench.vault.alive.delete(token.wrapAccessor);
    await bench.clock.advance(8000);
    expect(await bench.state()).toBe("released");
  });
});

describe("a container that ECS restarts in place", () => {
  const task = vouchedFor({
    rule: { ...rule, restart: { max: 2, minInterval: 60_000 } },
  });

  test("gets a token of the next generation once the interval has passed, as often as the rule allows", async () => {
    for (let generation = 0; generation <= 2; generation += 1) {
      const claim = await claimOf(claims, task);
      expect(claim.generation).toBe(generation);
      await bring(claims, bench.vault, claim, "delivered");
      await expect(claims.take(task, never)).rejects.toMatchObject(
        code("already_delivered"),
      );
      await bench.clock.advance(60_000);
    }
    await expect(claims.take(task, never)).rejects.toMatchObject(
      code("already_delivered"),
    );
  });

  test("keeps its token until the new one is about to be minted, and then loses it first", async () => {
    const first = await claimOf(claims, task);
    const { accessor } = await bring(claims, bench.vault, first, "delivered");
    await bench.clock.advance(60_000);
    const second = await claimOf(claims, task);
    expect(bench.vault.alive.has(accessor)).toBe(true);
    await claims.minting(second);
    expect(bench.vault.alive.has(accessor)).toBe(false);
    expect(await bench.record()).toMatchObject({ generation: 1, mints: 1 });
  });

  test("keeps its token when nobody answers the handshake, and may try again", async () => {
    const first = await claimOf(claims, task);
    const { accessor } = await bring(claims, bench.vault, first, "delivered");
    await bench.clock.advance(60_000);
    const second = await claimOf(claims, task);
    await claims.release(second, new Refusal("delivery_timeout", "nobody"));
    expect(bench.vault.alive.has(accessor)).toBe(true);
    const third = await claimOf(claims, task);
    expect(third.generation).toBe(1);
    await claims.minting(third);
    expect(bench.vault.alive.has(accessor)).toBe(false);
  });

  test("gets nothing while the earlier token cannot be revoked, and no mint is counted", async () => {
    const first = await claimOf(claims, task);
    await bring(claims, bench.vault, first, "delivered");
    await bench.clock.advance(60_000);
    const second = await claimOf(claims, task);
    bench.vault.down = true;
    const failure = await claims
      .minting(second)
      .catch((error: unknown) => error as Refusal<NoticeCode>);
    expect(failure).toMatchObject(code("vault_unavailable"));
    expect(await claims.undo(second, failure ?? refused)).toMatchObject(
      code("vault_unavailable"),
    );
    expect(await bench.record()).toMatchObject({
      state: "released",
      generation: 1,
      mints: 0,
    });
  });
});

describe("stopping", () => {
  test("leaves no heartbeat behind and lets nothing more be minted", async () => {
    const claim = await claimOf(claims);
    const stopped = claims.stop();
    await bench.clock.advance(1);
    await stopped;
    expect(await bench.ledger.scan("owner", "", 10)).toEqual([]);
    await expect(claims.minting(claim)).rejects.toMatchObject(
      code("ledger_unavailable"),
    );
  });
});
