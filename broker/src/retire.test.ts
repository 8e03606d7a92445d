import { Refusal } from "@vaultbuddy/common";
import { beforeEach, describe, expect, test } from "vitest";
import type { Claims } from "./claim.ts";
import { keyOf } from "./claim/record.ts";
import { bring, Bench, claimOf } from "./claim/testing.ts";
import { Retirement } from "./retire.ts";
import type { Whereabouts } from "./retire.ts";
import { rule, silent, vouchedFor } from "./testing.ts";
import type { Vouched } from "./validate.ts";

const HOUR = 3_600_000;
const task = vouchedFor();

let bench: Bench;
let claims: Claims;
let retirement: Retirement;
let said: Whereabouts | "nothing" | "failure";
let calls: { clusterArn: string; taskArns: readonly string[] }[];

beforeEach(async () => {
  bench = new Bench();
  claims = await bench.started();
  said = "running";
  calls = [];
  retirement = new Retirement({
    ledger: bench.ledger,
    revoker: bench.vault,
    clock: bench.clock,
    log: silent,
    askTasks: async (clusterArn, taskArns) => {
      calls.push({ clusterArn, taskArns });
      if (said === "failure") {
        throw new Refusal("ecs_unavailable", "ECS is down");
      }
      const where = said;
      return new Map(
        where === "nothing" ? [] : taskArns.map((arn) => [arn, where]),
      );
    },
  });
});

async function deliveredTo(to: Vouched = task): Promise<string> {
  const token = await bring(
    claims,
    bench.vault,
    await claimOf(claims, to),
    "delivered",
  );
  return token.accessor;
}

describe("a record", () => {
  test("is kept, and its token with it, while its task runs", async () => {
    const accessor = await deliveredTo();
    await retirement.round();
    await bench.clock.advance(2 * HOUR);
    await retirement.round();
    expect(await bench.state()).toBe("delivered");
    expect(bench.vault.alive.has(accessor)).toBe(true);
  });

  test("is forgotten when ECS says that its task has stopped, and its token is gone", async () => {
    const accessor = await deliveredTo();
    said = "stopped";
    await retirement.round();
    expect(await bench.state()).toBe("none");
    expect(bench.vault.alive.has(accessor)).toBe(false);
  });

  test("is kept until its token is confirmed gone", async () => {
    await deliveredTo();
    said = "stopped";
    bench.vault.down = true;
    await retirement.round();
    expect(await bench.state()).toBe("delivered");
    bench.vault.down = false;
    await retirement.round();
    expect(await bench.state()).toBe("none");
  });

  test("is forgotten when ECS twice says it knows no such task, an hour apart", async () => {
    const accessor = await deliveredTo();
    said = "missing";
    await retirement.round();
    await bench.clock.advance(HOUR - 1);
    await retirement.round();
    expect(await bench.state()).toBe("delivered");
    expect(bench.vault.alive.has(accessor)).toBe(true);
    await bench.clock.advance(1);
    await retirement.round();
    expect(await bench.state()).toBe("none");
    expect(bench.vault.alive.has(accessor)).toBe(false);
  });

  test("is not forgotten when ECS knew the task in between", async () => {
    await deliveredTo();
    said = "missing";
    await retirement.round();
    said = "running";
    await retirement.round();
    await bench.clock.advance(HOUR);
    said = "missing";
    await retirement.round();
    expect(await bench.state()).toBe("delivered");
  });

  test("is not forgotten because ECS said nothing or failed", async () => {
    await deliveredTo();
    said = "missing";
    await retirement.round();
    await bench.clock.advance(HOUR);
    for (const silence of ["nothing", "failure"] as const) {
      said = silence;
      await retirement.round();
      expect(await bench.state()).toBe("delivered");
    }
  });

  test("of an uncertain or a released claim is forgotten too, and there is nothing to revoke", async () => {
    const side = vouchedFor({ containerName: "side" });
    const refused = new Refusal("delivery_refused", "no");
    const uncertain = await claimOf(claims, side);
    bench.vault.open(await bring(claims, bench.vault, uncertain, "sent"));
    await claims.undo(uncertain, refused);
    await claims.release(await claimOf(claims), refused);
    bench.vault.asked.length = 0;
    said = "stopped";
    await retirement.round();
    expect(await bench.state(side)).toBe("none");
    expect(await bench.state()).toBe("none");
    expect(bench.vault.asked).toEqual([]);
  });

  test("of a restart that came to nothing takes the earlier token with it", async () => {
    const restarting = vouchedFor({
      rule: { ...rule, restart: { max: 1, minInterval: 0 } },
    });
    const accessor = await deliveredTo(restarting);
    const second = await claimOf(claims, restarting);
    await claims.release(second, new Refusal("delivery_timeout", "nobody"));
    said = "stopped";
    await retirement.round();
    expect(bench.vault.alive.has(accessor)).toBe(false);
    expect(await bench.state()).toBe("none");
  });

  test("that somebody works at is left alone", async () => {
    const claim = await claimOf(claims);
    said = "stopped";
    await retirement.round();
    await bring(claims, bench.vault, claim, "delivered");
    expect(await bench.state()).toBe("delivered");
  });

  test("that is damaged is kept", async () => {
    const key = keyOf(task);
    await bench.ledger.putIfAbsent(key, "settled", "{");
    said = "stopped";
    await retirement.round();
    expect(await bench.ledger.read(key)).toBeDefined();
  });
});

describe("a round", () => {
  test("asks ECS for each cluster and for at most a hundred tasks at once, and ends after ten calls", async () => {
    for (let n = 0; n < 1050; n += 1) {
      const id = n.toString(16).padStart(32, "0");
      const taskArn = `arn:aws:ecs:us-east-1:123456789012:task/main/${id}`;
      await deliveredTo(vouchedFor({ taskArn }));
    }
    await retirement.round();
    expect(calls).toHaveLength(10);
    expect(calls.every((call) => call.taskArns.length === 100)).toBe(true);
    await retirement.round();
    expect(calls[10]?.taskArns).toHaveLength(50);
    const asked = new Set(calls.flatMap((call) => call.taskArns));
    expect(asked.size).toBe(1050);
  });

  test("asks once for two containers of one task", async () => {
    await deliveredTo();
    await deliveredTo(vouchedFor({ containerName: "side" }));
    await retirement.round();
    expect(calls).toEqual([
      { clusterArn: task.clusterArn, taskArns: [task.taskArn] },
    ]);
  });

  test("comes every thirty seconds until it is stopped", async () => {
    await deliveredTo();
    retirement.start();
    await bench.clock.advance(30_000);
    expect(calls).toHaveLength(1);
    bench.ledger.down = true;
    await bench.clock.advance(30_000);
    bench.ledger.down = false;
    await bench.clock.advance(30_000);
    expect(calls).toHaveLength(2);
    await retirement.stop();
    await bench.clock.advance(HOUR);
    expect(calls).toHaveLength(2);
  });
});

describe("a hint that a container has stopped", () => {
  test("makes ECS be asked within seconds, and is believed about nothing", async () => {
    const accessor = await deliveredTo();
    retirement.start();
    retirement.hint(task);
    await bench.clock.advance(5000);
    expect(calls.length).toBeGreaterThanOrEqual(1);
    expect(bench.vault.alive.has(accessor)).toBe(true);
    said = "stopped";
    await bench.clock.advance(2500);
    expect(bench.vault.alive.has(accessor)).toBe(false);
    expect(await bench.state()).toBe("none");
    await retirement.stop();
  });

  test("about a container nobody served costs ECS nothing", async () => {
    retirement.start();
    retirement.hint(task);
    await bench.clock.advance(20_000);
    expect(calls).toEqual([]);
    await retirement.stop();
  });

  test("is forgotten after two minutes, and without one ECS is asked twice a minute only", async () => {
    await deliveredTo();
    retirement.start();
    retirement.hint(task);
    await bench.clock.advance(130_000);
    const during = calls.length;
    expect(during).toBeGreaterThan(30);
    await bench.clock.advance(60_000);
    expect(calls.length - during).toBeLessThanOrEqual(2);
    await retirement.stop();
  });
});
