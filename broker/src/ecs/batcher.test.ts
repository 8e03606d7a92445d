import { isNoticeRefusal } from "@vaultbuddy/common";
import { ManualClock } from "@vaultbuddy/common/testing";
import { describe, expect, test } from "vitest";
import { Batcher } from "./batcher.ts";
import type { BatcherOptions, Question } from "./batcher.ts";
import { Bucket } from "./bucket.ts";
import { AwsFault } from "./fault.ts";

interface Call {
  readonly at: number;
  readonly group: string;
  readonly keys: readonly string[];
}

/** A batcher over a fake AWS that echoes each key. */
function open(
  change: Partial<BatcherOptions<string>> = {},
  clock = new ManualClock(0),
) {
  const calls: Call[] = [];
  const call: BatcherOptions<string>["call"] =
    change.call ??
    (async (_, asked) =>
      await Promise.resolve(new Map(asked.map((key) => [key, `${key}!`]))));
  const batcher = new Batcher<string>({
    clock,
    bucket: new Bucket(100, 20, clock),
    scarceBucket: new Bucket(25, 5, clock),
    most: 100,
    window: 25,
    flights: 8,
    ...change,
    call: async (group, asked) => {
      calls.push({ at: clock.monotonic(), group, keys: asked });
      return await call(group, asked);
    },
  });
  return { clock, calls, batcher };
}

const never = new AbortController().signal;

function question(key: string, change: Partial<Question> = {}): Question {
  return {
    group: "prod",
    key,
    source: "agent",
    patience: 0,
    signal: never,
    ...change,
  };
}

function keys(count: number, prefix = "k"): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

describe("sharing calls", () => {
  test("the first question leaves within a breath, those that follow share the next call", async () => {
    const { clock, calls, batcher } = open();
    const first = batcher.ask(question("a"));
    await clock.advance(2);
    const rest = [batcher.ask(question("b"))];
    await clock.advance(10);
    rest.push(batcher.ask(question("c")));
    await clock.advance(30);
    expect(await first).toBe("a!");
    expect(await Promise.all(rest)).toEqual(["b!", "c!"]);
    expect(calls).toEqual([
      { at: 2, group: "prod", keys: ["a"] },
      { at: 27, group: "prod", keys: ["b", "c"] },
    ]);
  });

  test("a thousand questions at once are ten calls", async () => {
    const { clock, calls, batcher } = open();
    const answers = Promise.all(
      keys(1000).map((key) => batcher.ask(question(key))),
    );
    await clock.advance(100);
    expect(await answers).toEqual(keys(1000).map((key) => `${key}!`));
    expect(calls.map((call) => call.keys.length)).toEqual(Array(10).fill(100));
  });

  test("one question is asked once however many wait for it, also while it is under way", async () => {
    const release = Promise.withResolvers<void>();
    const { clock, calls, batcher } = open({
      call: async (_, asked) => {
        await release.promise;
        return new Map(asked.map((key) => [key, key]));
      },
    });
    const waiting = [batcher.ask(question("a")), batcher.ask(question("a"))];
    await clock.advance(50);
    waiting.push(batcher.ask(question("a", { source: "other" })));
    await clock.advance(50);
    release.resolve();
    expect(await Promise.all(waiting)).toEqual(["a", "a", "a"]);
    expect(calls).toHaveLength(1);
  });

  test("groups do not share a call", async () => {
    const { clock, calls, batcher } = open();
    const answers = Promise.all([
      batcher.ask(question("a", { group: "x" })),
      batcher.ask(question("a", { group: "y" })),
    ]);
    await clock.advance(10);
    await answers;
    expect(calls.map((call) => call.group)).toEqual(["x", "y"]);
  });

  test("a patient question waits for company, and rides along for nothing when it comes", async () => {
    const { clock, calls, batcher } = open();
    const patient = batcher.ask(question("poll", { patience: 200 }));
    await clock.advance(100);
    expect(calls).toEqual([]);
    const fresh = batcher.ask(question("new"));
    await clock.advance(2);
    await Promise.all([patient, fresh]);
    expect(calls.map((call) => call.keys)).toEqual([["poll", "new"]]);
  });
});

describe("the bucket", () => {
  test("no more calls leave than AWS would take", async () => {
    const { clock, calls, batcher } = open({ most: 1 });
    const answers = Promise.all(
      keys(160).map((key) => batcher.ask(question(key))),
    );
    await clock.advance(10);
    expect(calls).toHaveLength(100);
    await clock.advance(1000);
    expect(calls).toHaveLength(120);
    await clock.advance(2000);
    await answers;
    expect(calls).toHaveLength(160);
  });

  test("questions that wait for something to appear get a quarter of it", async () => {
    const { clock, calls, batcher } = open({ most: 1 });
    const answers = Promise.all(
      keys(60).map((key) => batcher.ask(question(key, { scarce: true }))),
    );
    await clock.advance(10);
    expect(calls).toHaveLength(25);
    await clock.advance(1000);
    expect(calls).toHaveLength(30);
    const fresh = batcher.ask(question("fresh"));
    await clock.advance(30);
    expect(await fresh).toBe("fresh!");
    await clock.advance(10_000);
    await answers;
  });

  test("they are not starved by a flood of others either", async () => {
    const { clock, batcher } = open();
    const flood = keys(2000, "flood").map((key) =>
      batcher.ask(question(key, { source: "flood" })),
    );
    let found = false;
    const scarce = batcher.ask(question("new", { scarce: true })).then(() => {
      found = true;
    });
    await clock.advance(30);
    expect(found).toBe(true);
    await scarce;
    await Promise.all(flood);
  });

  test("a throttled call empties it, and the questions are asked again", async () => {
    let refusals = 2;
    const { clock, calls, batcher } = open({
      call: async (_, asked) => {
        refusals -= 1;
        if (refusals >= 0) {
          throw new AwsFault("DescribeTasks", "throttled");
        }
        return await Promise.resolve(new Map(asked.map((key) => [key, key])));
      },
    });
    const answer = batcher.ask(question("a"));
    await clock.advance(1000);
    expect(await answer).toBe("a");
    expect(calls).toHaveLength(3);
  });

  test("a call that is always throttled ends", async () => {
    const { clock, calls, batcher } = open({
      call: async () => {
        await Promise.resolve();
        throw new AwsFault("DescribeTasks", "throttled");
      },
    });
    const answer = batcher.ask(question("a"));
    const failed = expect(answer).rejects.toMatchObject({ kind: "throttled" });
    await clock.advance(2000);
    await failed;
    expect(calls).toHaveLength(3);
  });
});

describe("fairness", () => {
  test("a flood from one source delays another by one call at most", async () => {
    const clock = new ManualClock(0);
    const { calls, batcher } = open({ bucket: new Bucket(1, 1, clock) }, clock);
    const flood = keys(1000, "made-up").map((key) =>
      batcher.ask(question(key, { source: "attacker" })),
    );
    const honest = batcher.ask(question("real", { source: "agent" }));
    await clock.advance(5);
    expect(calls).toHaveLength(1);
    expect(calls[0]?.keys).toContain("real");
    await honest;
    void Promise.allSettled(flood);
    batcher.close();
  });

  test("a flood of made-up clusters delays another cluster by one call at most", async () => {
    const clock = new ManualClock(0);
    const { calls, batcher } = open({ bucket: new Bucket(2, 1, clock) }, clock);
    keys(500, "cluster").forEach((group) => {
      batcher
        .ask(question("x", { group, source: "attacker" }))
        .catch(() => undefined);
    });
    const honest = batcher.ask(question("real", { source: "agent" }));
    await clock.advance(5);
    await honest;
    expect(calls.map((call) => call.keys)).toEqual([["x"], ["real"]]);
    batcher.close();
  });

  test("who asks for what another source's flood holds does not wait behind it", async () => {
    const clock = new ManualClock(0);
    const { calls, batcher } = open(
      { bucket: new Bucket(1, 1, clock), most: 10 },
      clock,
    );
    const flood = keys(500, "made-up").concat("real");
    flood.forEach((key) => {
      batcher.ask(question(key, { source: "attacker" })).catch(() => undefined);
    });
    const honest = batcher.ask(question("real", { source: "agent" }));
    await clock.advance(5);
    await honest;
    expect(calls).toHaveLength(1);
    batcher.close();
  });

  test("nor does he when the call they shared has failed", async () => {
    const clock = new ManualClock(0);
    const first = Promise.withResolvers<void>();
    const { calls, batcher } = open(
      {
        bucket: new Bucket(1, 1, clock),
        most: 10,
        call: async (_, asked) => {
          if (calls.length === 1) {
            await first.promise;
            throw new AwsFault("DescribeTasks", "server");
          }
          return new Map(asked.map((key) => [key, key]));
        },
      },
      clock,
    );
    batcher
      .ask(question("real", { source: "attacker" }))
      .catch(() => undefined);
    await clock.advance(5);
    const honest = batcher.ask(question("real", { source: "agent" }));
    keys(500, "made-up").forEach((key) => {
      batcher.ask(question(key, { source: "attacker" })).catch(() => undefined);
    });
    first.resolve();
    await clock.advance(1000);
    expect(await honest).toBe("real");
    expect(calls).toHaveLength(2);
    batcher.close();
  });

  test("a source can have only so many waiting", async () => {
    const { batcher } = open();
    const asked = keys(2001).map((key) => batcher.ask(question(key)));
    void Promise.allSettled(asked);
    const error: unknown = await asked[2000]?.catch((e: unknown) => e);
    expect(isNoticeRefusal(error) && error.code).toBe("rate_limited");
    const other = batcher.ask(question("x", { source: "other" }));
    batcher.close();
    await expect(other).rejects.toMatchObject({ kind: "closed" });
  });
});

describe("ends", () => {
  test("a question that is no longer wanted is not asked", async () => {
    const { clock, calls, batcher } = open();
    const gone = new AbortController();
    const answer = batcher.ask(question("a", { signal: gone.signal }));
    gone.abort(new Error("left"));
    await expect(answer).rejects.toThrow("left");
    await clock.advance(100);
    expect(calls).toEqual([]);
  });

  test("one who leaves does not take the answer from the others", async () => {
    const { clock, batcher } = open();
    const gone = new AbortController();
    const left = batcher.ask(question("a", { signal: gone.signal }));
    const stayed = batcher.ask(question("a"));
    gone.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
    await clock.advance(10);
    expect(await stayed).toBe("a!");
  });

  test("a key that the answer leaves out fails alone", async () => {
    const { clock, batcher } = open({
      call: async () => await Promise.resolve(new Map([["a", "a"]])),
    });
    const a = batcher.ask(question("a"));
    const b = batcher.ask(question("b"));
    const failed = expect(b).rejects.toMatchObject({ kind: "malformed" });
    await clock.advance(10);
    expect(await a).toBe("a");
    await failed;
  });

  test("a failure that will not pass is told at once", async () => {
    const { clock, calls, batcher } = open({
      call: async () => {
        await Promise.resolve();
        throw new AwsFault("DescribeTasks", "denied");
      },
    });
    const failed = expect(batcher.ask(question("a"))).rejects.toMatchObject({
      kind: "denied",
    });
    await clock.advance(10);
    await failed;
    expect(calls).toHaveLength(1);
  });

  test("slow calls do not hold up quick ones, up to a number", async () => {
    const releases: (() => void)[] = [];
    const { clock, calls, batcher } = open({
      most: 1,
      flights: 2,
      call: async (_, asked) => {
        await new Promise<void>((resolve) => releases.push(resolve));
        return new Map(asked.map((key) => [key, key]));
      },
    });
    const answers = keys(3).map((key) => batcher.ask(question(key)));
    await clock.advance(50);
    expect(calls).toHaveLength(2);
    releases[0]?.();
    await clock.advance(50);
    expect(calls).toHaveLength(3);
    releases.forEach((release) => release());
    await Promise.all(answers);
  });

  test("after closing nothing is asked any more", async () => {
    const { batcher } = open();
    const waiting = batcher.ask(question("a"));
    batcher.close();
    await expect(waiting).rejects.toMatchObject({ kind: "closed" });
    await expect(batcher.ask(question("b"))).rejects.toMatchObject({
      kind: "closed",
    });
  });
});
