// The bounds of what is under way: how many, how many at once, and for how long.

import { ManualClock } from "@vaultbuddy/common/testing";
import { expect, test } from "vitest";
import { Meters } from "./meters.ts";
import { limits, NoticeQueue } from "./queue.ts";
import type { QueueLimits, Ticket } from "./queue.ts";
import { keptLog } from "./testing.ts";

function queueWith(bounds: Partial<QueueLimits> = {}): {
  queue: NoticeQueue;
  clock: ManualClock;
  meters: Meters;
  lines: Record<string, unknown>[];
} {
  const clock = new ManualClock();
  const { log, lines } = keptLog();
  const meters = new Meters();
  const small = { capacity: 10, asking: 2, life: 60_000, leastLife: 10_000 };
  const queue = new NoticeQueue(
    { clock, log, meters },
    { ...small, ...bounds },
  );
  return { queue, clock, meters, lines };
}

/** Runs until the ticket is given up. */
async function forever(ticket: Ticket): Promise<void> {
  await new Promise((_, reject) => {
    ticket.signal.addEventListener("abort", () => {
      reject(ticket.signal.reason as Error);
    });
  });
}

test("a real agent has ten thousand notices under way at most, 256 of them with a broker", () => {
  expect(limits).toMatchObject({ capacity: 10_000, asking: 256 });
});

test("a notice that has ended makes room", async () => {
  const { queue, clock } = queueWith();
  queue.offer("a", 0, () => Promise.resolve());
  expect(queue.size).toBe(1);
  await clock.advance(0);
  expect(queue.size).toBe(0);
  expect(clock.sleeping).toBe(0);
});

test("when it is full the oldest gives way, with a line in the log", async () => {
  const { queue, clock, meters, lines } = queueWith({ capacity: 3 });
  for (const id of ["a", "b", "c", "d", "e"]) {
    queue.offer(id, 0, forever);
  }
  await clock.advance(0);
  expect(queue.size).toBe(3);
  expect(meters.total("dropped", "overflow")).toBe(2);
  expect(
    lines.map(({ msg, containerId, why }) => [msg, containerId, why]),
  ).toEqual([
    ["a notice was dropped", "a", "overflow"],
    ["a notice was dropped", "b", "overflow"],
  ]);
});

test("a notice too old to matter is dropped with a line in the log", async () => {
  const { queue, clock, meters, lines } = queueWith();
  queue.offer("a", 0, forever);
  queue.offer("b", 55_000, forever);
  queue.offer("c", 3_600_000, forever);
  await clock.advance(9999);
  expect(queue.size).toBe(3);
  await clock.advance(1);
  expect(queue.size).toBe(1);
  await clock.advance(50_000);
  expect(queue.size).toBe(0);
  expect(meters.total("dropped", "too_old")).toBe(3);
  expect(lines.filter(({ why }) => why === "too_old")).toHaveLength(3);
});

test("places are given in order and never more than there are", async () => {
  const { queue, clock } = queueWith({ asking: 2 });
  const entered: string[] = [];
  const leave = new Map<string, () => void>();
  for (const id of ["a", "b", "c", "d"]) {
    queue.offer(id, 0, async (ticket) => {
      leave.set(id, await ticket.place());
      entered.push(id);
      await forever(ticket);
    });
  }
  await clock.advance(0);
  expect(entered).toEqual(["a", "b"]);
  leave.get("b")?.();
  leave.get("b")?.();
  await clock.advance(0);
  expect(entered).toEqual(["a", "b", "c"]);
  expect(queue.asking).toBe(2);
  leave.get("a")?.();
  leave.get("c")?.();
  await clock.advance(0);
  leave.get("d")?.();
  expect(queue.asking).toBe(0);
});

test("who is given up while it waits for a place leaves the line", async () => {
  const { queue, clock } = queueWith({ asking: 1, capacity: 3 });
  const entered: string[] = [];
  const leave: (() => void)[] = [];
  for (const id of ["a", "b", "c"]) {
    queue.offer(id, 0, async (ticket) => {
      leave.push(await ticket.place());
      entered.push(id);
      await forever(ticket);
    });
    await clock.advance(1000);
  }
  await clock.advance(58_000);
  expect(queue.size).toBe(1);
  leave[0]?.();
  await clock.advance(0);
  expect(entered).toEqual(["a", "c"]);
});

test("the end of a container ends the repeating and not the notice", async () => {
  const { queue, clock } = queueWith();
  const tickets: Ticket[] = [];
  queue.offer("a", 0, async (ticket) => {
    tickets.push(ticket);
    await forever(ticket);
  });
  queue.ended("a");
  queue.ended("never heard of");
  await clock.advance(0);
  expect(tickets[0]?.rest.aborted).toBe(true);
  expect(tickets[0]?.signal.aborted).toBe(false);
});

test("a new start of a container ends the repeating for its last one and has a notice of its own", async () => {
  const { queue, clock } = queueWith();
  const tickets: Ticket[] = [];
  for (let turn = 0; turn < 2; turn += 1) {
    queue.offer("a", 0, async (ticket) => {
      tickets.push(ticket);
      await forever(ticket);
    });
  }
  await clock.advance(0);
  expect(tickets.map(({ rest }) => rest.aborted)).toEqual([true, false]);
  queue.ended("a");
  expect(tickets.map(({ rest }) => rest.aborted)).toEqual([true, true]);
});

test("a fault of ours in one notice is logged and harms no other", async () => {
  const { queue, clock, lines, meters } = queueWith();
  queue.offer("a", 0, () => Promise.reject(new TypeError("a fault")));
  queue.offer("b", 0, forever);
  await clock.advance(0);
  expect(queue.size).toBe(1);
  expect(meters.total("dropped", "failed")).toBe(1);
  expect(lines[0]).toMatchObject({ level: "error", containerId: "a" });
});

test("a stop gives all up without a word", async () => {
  const { queue, clock, lines } = queueWith();
  queue.offer("a", 0, forever);
  queue.offer("b", 0, forever);
  queue.stop();
  await clock.advance(0);
  expect(queue.size).toBe(0);
  expect(clock.sleeping).toBe(0);
  expect(lines).toEqual([]);
});
