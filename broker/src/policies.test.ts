// A policy comes into force whole or not at all, and the one before it stays until then.

import { Refusal } from "@vaultbuddy/common";
import { ManualClock } from "@vaultbuddy/common/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { Policies } from "./policies.ts";
import type { PoliciesDeps } from "./policies.ts";
import { loadPolicy } from "./policy.ts";
import type { Policy } from "./policy.ts";
import { silent } from "./testing.ts";

describe("the policy in force", () => {
  let clock: ManualClock;
  let stop: AbortController;
  let text: string | Error;
  let reads: number;
  let accepted: number;
  let refuse: Error | undefined;
  let told: string[];
  let gate: Promise<void>;
  beforeEach(() => {
    clock = new ManualClock();
    stop = new AbortController();
    text = '{"web": {}}';
    reads = 0;
    accepted = 0;
    refuse = undefined;
    told = [];
    gate = Promise.resolve();
    return () => stop.abort(new Error("the test has ended"));
  });

  const tell = (_fields: unknown, message?: string): void => {
    told.push(message ?? "");
  };
  const open = (
    refresh: number | undefined,
    first?: { text: string; policy: Policy },
  ): Policies => {
    const deps: PoliciesDeps = {
      clock,
      log: { ...silent, info: tell, error: tell },
      source: {
        name: "here",
        refresh,
        documents: async () => {
          reads += 1;
          await gate;
          return typeof text === "string"
            ? [{ source: "here", text }]
            : await Promise.reject(text);
        },
      },
      accept: () => {
        accepted += 1;
        return refuse === undefined
          ? Promise.resolve()
          : Promise.reject(refuse);
      },
    };
    return new Policies(
      deps,
      first && {
        policy: first.policy,
        documents: [{ source: "here", text: first.text }],
      },
    );
  };
  const patterns = (policies: Policies): string[] =>
    policies.current.rules.map(({ pattern }) => pattern);

  test("is none before the first was loaded, which is tried until it works", async () => {
    const policies = open(60_000);
    expect(() => policies.current).toThrow(
      expect.objectContaining({ code: "sealed" }) as Error,
    );
    expect(() => policies.mustBeLoaded()).toThrow(Refusal);
    text = new Refusal("vault_unavailable", "away");
    void policies.keep(stop.signal);
    await clock.advance(20_000);
    expect([policies.loaded, reads > 2]).toEqual([false, true]);
    text = '{"web": {}}';
    await clock.advance(15_000);
    expect(patterns(policies)).toEqual(["web"]);
    expect(policies.stale).toBe(false);
  });

  test("is read again by time, and exchanged when it has changed", async () => {
    const policies = open(60_000);
    void policies.keep(stop.signal);
    await clock.advance(0);
    expect([reads, accepted]).toEqual([1, 1]);
    await clock.advance(60_000);
    expect([reads, accepted]).toEqual([2, 1]);
    text = '{"web": {}, "batch": {}}';
    await clock.advance(60_000);
    expect(patterns(policies)).toEqual(["web", "batch"]);
    expect(told).toEqual(["a policy is in force", "a policy is in force"]);
  });

  test.each<[string, () => void]>([
    ["it is faulty", () => (text = '{"web": {"ttl": -1}}')],
    ["it is gone", () => (text = new Error("gone"))],
    [
      "it is not accepted",
      () => {
        text = '{"other": {}}';
        refuse = new Error("lacks something");
      },
    ],
  ])("stays when %s, which is told once and when asked", async (_, spoil) => {
    const policies = open(60_000);
    void policies.keep(stop.signal);
    await clock.advance(0);
    spoil();
    await clock.advance(60_000);
    expect([patterns(policies), policies.stale]).toEqual([["web"], true]);
    await clock.advance(60_000);
    const failure =
      "the policy could not be loaded: the one before it stays in force";
    expect(told).toEqual(["a policy is in force", failure]);
    policies.reload();
    await clock.advance(1);
    expect(told).toEqual(["a policy is in force", failure, failure]);
    text = '{"web": {}}';
    refuse = undefined;
    await clock.advance(60_000);
    expect(policies.stale).toBe(false);
    expect(told.at(-1)).toBe("the policy has not changed");
  });

  test("from a file is read when told and never else", async () => {
    const first = '{"web": {}}';
    const policies = open(undefined, {
      text: first,
      policy: loadPolicy(first, "here"),
    });
    expect(patterns(policies)).toEqual(["web"]);
    void policies.keep(stop.signal);
    await clock.advance(3_600_000);
    expect(reads).toBe(0);
    text = '{"batch": {}}';
    policies.reload();
    await clock.advance(1);
    expect([reads, patterns(policies)]).toEqual([1, ["batch"]]);
  });

  test("is read again when it is told to while it is being read", async () => {
    const opened = Promise.withResolvers<void>();
    gate = opened.promise;
    const policies = open(60_000);
    void policies.keep(stop.signal);
    await clock.advance(0);
    policies.reload();
    expect(reads).toBe(1);
    opened.resolve();
    await clock.advance(1);
    expect(reads).toBe(2);
  });
});
