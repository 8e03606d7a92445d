// Logs: lines out of chunks, selections, frames, and their bound.

import { expect, test } from "vitest";
import { frame, type LogEntry, Logs } from "./logs.ts";

function logs(): Logs {
  let at = 0n;
  return new Logs({ now: () => (at += 1_000_000_000n) });
}

function texts(entries: readonly LogEntry[]): string[] {
  return entries.map(({ bytes }) => bytes.toString());
}

const both = { streams: [1, 2] } as const;

test("chunks that end anywhere become lines, and the last one without an end is one too", () => {
  const log = logs();
  for (const chunk of ["a", "b\nc\n", "d"]) log.write(1, Buffer.from(chunk));
  log.write(2, Buffer.from("err\n"));
  expect(texts(log.select(both))).toEqual(["ab\n", "c\n", "err\n"]);
  log.end();
  expect(texts(log.select(both)).at(-1)).toBe("d");
});

test("a line longer than 16 KiB comes in pieces, as Docker cuts it", () => {
  const log = logs();
  log.write(1, Buffer.from(`${"x".repeat(20_000)}\n`));
  expect(log.select(both).map(({ bytes }) => bytes.length)).toEqual([
    16_384, 3_617,
  ]);
});

test("streams, times and a tail select", () => {
  const log = logs();
  for (const text of ["1\n", "2\n", "3\n"]) log.write(1, Buffer.from(text));
  log.write(2, Buffer.from("4\n"));
  expect(texts(log.select({ ...both, tail: 2 }))).toEqual(["3\n", "4\n"]);
  expect(texts(log.select({ streams: [2] }))).toEqual(["4\n"]);
  const middle = { ...both, since: 2_000_000_000n, until: 3_000_000_000n };
  expect(texts(log.select(middle))).toEqual(["2\n", "3\n"]);
});

test("a follower hears what comes until it stops", () => {
  const log = logs();
  const heard: string[] = [];
  const stop = log.follow({ streams: [1] }, ({ bytes }) =>
    heard.push(bytes.toString()),
  );
  log.write(2, Buffer.from("no\n"));
  log.write(1, Buffer.from("yes\n"));
  stop();
  log.write(1, Buffer.from("late\n"));
  expect(heard).toEqual(["yes\n"]);
});

test("the oldest lines are forgotten beyond four mebibytes", () => {
  const log = logs();
  const line = Buffer.from(`${"x".repeat(1_023)}\n`);
  for (let count = 0; count < 6_000; count += 1) log.write(1, line);
  const kept = log.select(both).length * 1_024;
  expect(kept).toBeLessThanOrEqual(4 * 1_048_576);
  expect(kept).toBeGreaterThan(2 * 1_048_576);
});

test("a frame has its stream, its length and, when asked, its time", () => {
  const entry = {
    stream: 2,
    at: 1_500_000_000n,
    bytes: Buffer.from("x\n"),
  } as const;
  expect([...frame(entry, false)]).toEqual([2, 0, 0, 0, 0, 0, 0, 2, 120, 10]);
  expect(frame(entry, true).subarray(8).toString()).toBe(
    "1970-01-01T00:00:01.5Z x\n",
  );
});
