// The host's cluster, from an ECS agent that may be slow, absent or somebody else.

import { TransportError } from "@vaultbuddy/common/daemon";
import type { Answer } from "@vaultbuddy/common/daemon";
import { ManualClock } from "@vaultbuddy/common/testing";
import { expect, test } from "vitest";
import { EcsMetadata } from "./ecs-metadata.ts";
import { answer, keptLog } from "./testing.ts";

const URL = "http://127.0.0.1:51678/v1/metadata";

function setUp(...answers: (Answer | Error)[]): {
  metadata: EcsMetadata;
  clock: ManualClock;
  asked: string[];
  lines: Record<string, unknown>[];
} {
  const clock = new ManualClock();
  const { log, lines } = keptLog();
  const asked: string[] = [];
  const metadata = new EcsMetadata({
    url: URL,
    get: async (url) => {
      asked.push(url);
      await clock.sleep(10);
      const next = answers.length > 1 ? answers.shift() : answers[0];
      if (next === undefined || next instanceof Error) {
        throw next ?? new TransportError("ECONNREFUSED");
      }
      return next;
    },
    clock,
    log,
  });
  return { metadata, clock, asked, lines };
}

const FOUND = answer(200, {
  Cluster: "main",
  ContainerInstanceArn: "arn:…",
  Version: "Amazon ECS Agent - v1.30.0",
});

test("many who ask at once make one request, and the answer is kept for a while", async () => {
  const { metadata, clock, asked } = setUp(FOUND);
  const { signal } = new AbortController();
  const all = Promise.all(
    Array.from({ length: 100 }, () => metadata.cluster(signal)),
  );
  await clock.advance(10);
  expect(new Set(await all)).toEqual(new Set(["main"]));
  expect(await metadata.cluster(signal)).toBe("main");
  expect(asked).toEqual([URL]);
  await clock.advance(300_000);
  const later = metadata.cluster(signal);
  await clock.advance(10);
  expect(await later).toBe("main");
  expect(asked).toHaveLength(2);
});

test.each([
  ["that is not there", new TransportError("ECONNREFUSED")],
  ["that answers in HTML", answer(200, "<html>")],
  ["that is cut short", answer(200, '{"Cluster":"ma')],
  ["without a cluster", answer(200, {})],
  ["with a cluster that is no text", answer(200, { Cluster: 7 })],
  ["with an error", answer(500, "")],
])("metadata %s is asked for again with growing pauses", async (_, wrong) => {
  const { metadata, clock, asked, lines } = setUp(wrong, wrong, FOUND);
  const found = metadata.cluster(new AbortController().signal);
  await clock.advance(10_000);
  expect(await found).toBe("main");
  expect(asked).toHaveLength(3);
  expect(lines).toHaveLength(2);
});

test("who no longer needs it stops asking", async () => {
  const { metadata, clock, asked } = setUp(new TransportError("timeout"));
  const stop = new AbortController();
  const found = metadata.cluster(stop.signal);
  const failed = expect(found).rejects.toThrow("too old");
  await clock.advance(1000);
  const before = asked.length;
  stop.abort(new Error("too old"));
  await clock.advance(60_000);
  await failed;
  expect(asked).toHaveLength(before);
});
