// One notice and several brokers, of which some are away, busy, silent or not brokers at all.

import { noticeProblem } from "@vaultbuddy/common";
import { TransportError } from "@vaultbuddy/common/daemon";
import type { Answer } from "@vaultbuddy/common/daemon";
import { ManualClock } from "@vaultbuddy/common/testing";
import { expect, test } from "vitest";
import { Meters } from "./meters.ts";
import { Notifier, PATIENCE } from "./notify.ts";
import { NoticeQueue } from "./queue.ts";
import { answer, containerId, delivered, keptLog, taskArn } from "./testing.ts";

type Broker = (signal: AbortSignal) => Promise<Answer>;

const NOTICE = {
  taskArn: taskArn(1),
  cluster: "main",
  containerName: "web",
  containerId: containerId(1),
};

function away(): Promise<Answer> {
  return Promise.reject(new TransportError("ECONNREFUSED"));
}

function silent(signal: AbortSignal): Promise<Answer> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => {
      reject(new TransportError("aborted"));
    });
  });
}

function busy(seconds: number): Broker {
  const headers = { "retry-after": String(seconds) };
  return () =>
    Promise.resolve(answer(429, noticeProblem("rate_limited", ""), headers));
}

function refusing(code: Parameters<typeof noticeProblem>[0]): Broker {
  const problem = noticeProblem(code, "why");
  return () => Promise.resolve(answer(problem.status, problem));
}

/** A notifier whose brokers do what the test says, and which of them were asked when, in seconds. */
function setUp(...brokers: Broker[]): {
  brokers: Broker[];
  asked: [string, number][];
  bodies: string[];
  clock: ManualClock;
  meters: Meters;
  lines: Record<string, unknown>[];
  queue: NoticeQueue;
  send: () => void;
} {
  const clock = new ManualClock();
  const began = clock.monotonic();
  const { log, lines } = keptLog();
  const meters = new Meters();
  const asked: [string, number][] = [];
  const bodies: string[] = [];
  const notifier = new Notifier({
    brokers: brokers.map((_, n) => `http://${n}`),
    post: async (url, body, signal) => {
      const n = Number(/^http:\/\/(\d+)\/v1\/notify$/.exec(url)?.[1]);
      asked.push([String(n), (clock.monotonic() - began) / 1000]);
      bodies.push(body);
      return (await brokers[n]?.(signal)) ?? away();
    },
    clock,
    log,
    meters,
  });
  const queue = new NoticeQueue(
    { clock, log, meters },
    { capacity: 100, asking: 10, life: 600_000, leastLife: 60_000 },
  );
  const send = (): void => {
    queue.offer(NOTICE.containerId, 0, (ticket) =>
      notifier.notify(NOTICE, ticket),
    );
  };
  return { brokers, asked, bodies, clock, meters, lines, queue, send };
}

function outcomes(lines: readonly Record<string, unknown>[]): unknown[] {
  return lines
    .filter(({ tries }) => tries !== undefined)
    .map(({ code, tries, ms }) => [code, tries, ms]);
}

test("a delivery is one request with the notice and nothing else, and one line in the log", async () => {
  const { send, clock, asked, bodies, lines, meters, queue } = setUp(() =>
    Promise.resolve(delivered()),
  );
  send();
  await clock.advance(0);
  expect(asked).toEqual([["0", 0]]);
  expect(JSON.parse(bodies[0] ?? "")).toEqual(NOTICE);
  expect(outcomes(lines)).toEqual([["delivered", 1, 0]]);
  expect(meters.total("notices", "delivered")).toBe(1);
  expect([queue.size, queue.asking, clock.sleeping]).toEqual([0, 0, 0]);
});

test.each([
  "policy_denied",
  "already_delivered",
  "bad_request",
  "delivery_uncertain",
] as const)(
  "%s is definite: nobody is asked again, and no other broker either",
  async (code) => {
    const { send, clock, asked, lines } = setUp(refusing(code), () =>
      Promise.resolve(delivered()),
    );
    send();
    await clock.advance(600_000);
    expect(asked).toEqual([["0", 0]]);
    expect(outcomes(lines)).toEqual([[code, 1, 0]]);
  },
);

test.each([
  "sealed",
  "vault_unavailable",
  "ecs_unavailable",
  "ledger_unavailable",
  "delivery_timeout",
] as const)("after %s the next broker is asked at once", async (code) => {
  const { send, clock, asked } = setUp(refusing(code), () =>
    Promise.resolve(delivered()),
  );
  send();
  await clock.advance(0);
  expect(asked).toEqual([
    ["0", 0],
    ["1", 0],
  ]);
});

test("a broker that is away, or answers in HTML, is passed over for the next one", async () => {
  const { send, clock, asked, meters } = setUp(
    away,
    () => Promise.resolve(answer(200, "<html>")),
    () => Promise.resolve(delivered()),
  );
  send();
  await clock.advance(0);
  expect(asked.map(([n]) => n)).toEqual(["0", "1", "2"]);
  expect(meters.total("attempts", "ECONNREFUSED")).toBe(1);
  expect(meters.total("attempts", "not_a_broker")).toBe(1);
});

test("the broker that answered last is asked first by the next notice", async () => {
  const { send, clock, asked } = setUp(away, () =>
    Promise.resolve(delivered()),
  );
  send();
  await clock.advance(0);
  send();
  await clock.advance(0);
  expect(asked.map(([n]) => n)).toEqual(["0", "1", "1"]);
});

test("with all brokers away the pauses grow from a tenth of a second to ten and then stay", async () => {
  const { send, clock, asked } = setUp(away, away);
  send();
  await clock.advance(60_000);
  const times = asked.map(([, at]) => at);
  const rounds = times.filter((_, n) => n % 2 === 0);
  const pauses = rounds.slice(1).map((at, n) => at - (rounds[n] ?? 0));
  expect(pauses.map((one) => Math.round(one * 1000))).toEqual([
    75, 150, 300, 600, 1200, 2400, 4800, 7500, 7500, 7500, 7500, 7500, 7500,
  ]);
  expect(new Set(asked.map(([n]) => n))).toEqual(new Set(["0", "1"]));
});

test("a broker that was away for a minute delivers when it is back", async () => {
  const { send, clock, brokers, lines } = setUp(away);
  send();
  await clock.advance(60_000);
  brokers[0] = () => Promise.resolve(delivered());
  await clock.advance(10_000);
  expect(outcomes(lines)).toMatchObject([
    ["delivered", 15, expect.any(Number)],
  ]);
});

test("Retry-After is honoured by each broker for itself", async () => {
  const { send, clock, asked } = setUp(busy(30), busy(5));
  send();
  await clock.advance(34_999);
  const times = (n: string): number[] =>
    asked.filter(([one]) => one === n).map(([, at]) => at);
  expect(times("0")).toEqual([0, 30]);
  expect(
    times("1").every((at, n, all) => n === 0 || at - (all[n - 1] ?? 0) >= 5),
  ).toBe(true);
  expect(times("1").length).toBeGreaterThan(4);
});

test("a Retry-After of years neither spins nor outlives the notice", async () => {
  const { send, clock, asked, queue, meters } = setUp(busy(999_999_999));
  send();
  await clock.advance(600_000);
  expect(asked).toHaveLength(1);
  expect(queue.size).toBe(0);
  expect(meters.total("dropped", "too_old")).toBe(1);
});

test("a notice that nobody answers for is given up when it is too old, even in the middle of a request", async () => {
  const { send, clock, queue, lines } = setUp(silent);
  send();
  await clock.advance(599_999);
  expect(queue.asking).toBe(1);
  await clock.advance(1);
  expect([queue.size, queue.asking, clock.sleeping]).toEqual([0, 0, 0]);
  expect(lines.at(-1)).toMatchObject({
    msg: "a notice was dropped",
    why: "too_old",
  });
});

test("a silent broker does not hold the notice up: the next one is asked as well", async () => {
  const { send, clock, asked, lines, queue } = setUp(silent, () =>
    Promise.resolve(delivered()),
  );
  send();
  await clock.advance(PATIENCE - 1);
  expect(asked).toHaveLength(1);
  await clock.advance(1);
  expect(asked).toEqual([
    ["0", 0],
    ["1", PATIENCE / 1000],
  ]);
  expect(outcomes(lines)).toEqual([["delivered", 2, PATIENCE]]);
  expect([queue.asking, clock.sleeping]).toEqual([0, 0]);
  send();
  await clock.advance(0);
  expect(asked.at(-1)).toEqual(["1", PATIENCE / 1000]);
});

test("a slow broker that is right in the end is heard although others were asked meanwhile", async () => {
  const { clock, brokers, send, lines } = setUp(silent, away);
  brokers[0] = async () => {
    await clock.sleep(60_000);
    return delivered();
  };
  send();
  await clock.advance(59_999);
  expect(outcomes(lines)).toEqual([]);
  await clock.advance(1);
  expect(outcomes(lines)).toEqual([["delivered", 2, 60_000]]);
});

test("once the container has ended nothing is tried again", async () => {
  const { send, clock, asked, lines, queue, meters } = setUp(away);
  send();
  await clock.advance(1000);
  const before = asked.length;
  queue.ended(NOTICE.containerId);
  await clock.advance(60_000);
  expect(asked).toHaveLength(before);
  expect(lines.at(-1)).toMatchObject({ code: "container_ended" });
  expect(meters.total("notices", "container_ended")).toBe(1);
  expect(queue.size).toBe(0);
});

test("a container that ended before its notice was sent is still notified once", async () => {
  const { send, clock, asked, queue } = setUp(
    refusing("sealed"),
    refusing("sealed"),
  );
  send();
  queue.ended(NOTICE.containerId);
  await clock.advance(60_000);
  expect(asked).toEqual([["0", 0]]);
});

test("more notices than places wait their turn, and waiting out a pause takes no place", async () => {
  const { clock, asked, queue, brokers, lines } = setUp(away);
  const notifier = new Notifier({
    brokers: ["http://0"],
    post: async (_url, _body, signal) => {
      asked.push(["0", 0]);
      return (await brokers[0]?.(signal)) ?? delivered();
    },
    clock,
    log: keptLog().log,
    meters: new Meters(),
  });
  for (let n = 0; n < 50; n += 1) {
    queue.offer(containerId(n), 0, (ticket) =>
      notifier.notify({ ...NOTICE, containerId: containerId(n) }, ticket),
    );
  }
  await clock.advance(0);
  expect(asked.length).toBeGreaterThanOrEqual(50);
  expect([queue.size, queue.asking]).toEqual([50, 0]);
  brokers[0] = () => Promise.resolve(delivered());
  await clock.advance(10_000);
  expect(queue.size).toBe(0);
  expect(lines).toEqual([]);
});
