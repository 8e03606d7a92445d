// The two loops together, over a Docker in the test's hand: subscribe first, then list, and miss nothing in between.

import { TransportError } from "@vaultbuddy/common/daemon";
import { ManualClock } from "@vaultbuddy/common/testing";
import { expect, onTestFinished, test } from "vitest";
import { Meters } from "./meters.ts";
import { event, FakeSource, keptLog, running } from "./testing.ts";
import { RELIST, RENEW, Watch } from "./watch.ts";

const clock0 = new ManualClock().now();

async function setUp(
  prepare: (docker: FakeSource) => void = () => undefined,
): Promise<{
  docker: FakeSource;
  clock: ManualClock;
  meters: Meters;
  watch: Watch;
  told: string[];
  lines: Record<string, unknown>[];
  stop: () => Promise<void>;
}> {
  const clock = new ManualClock();
  const docker = new FakeSource(() => clock.now());
  prepare(docker);
  const { log, lines } = keptLog();
  const meters = new Meters();
  const told: string[] = [];
  const watch = new Watch({
    docker,
    clock,
    log,
    meters,
    audience: {
      started: ({ id, by }) => told.push(`${by} ${Number.parseInt(id, 16)}`),
      ended: (id) => told.push(`ended ${Number.parseInt(id, 16)}`),
    },
  });
  const stopping = new AbortController();
  const ran = watch.run(stopping.signal);
  const stop = async (): Promise<void> => {
    stopping.abort(new Error("stopped"));
    await ran;
  };
  onTestFinished(stop);
  await clock.advance(0);
  return { docker, clock, meters, watch, told, lines, stop };
}

test("it greets, subscribes, and only then lists", async () => {
  const { docker } = await setUp();
  expect(docker.calls).toEqual(["hello", "events", "list"]);
});

test("what runs already is told from the list, what starts from its event, each once", async () => {
  const { docker, clock, told } = await setUp((d) => {
    d.containers = [running(1, 5)];
  });
  expect(told).toEqual(["list 1"]);
  docker.stream.say(event("start", 2, clock.now()));
  await clock.advance(0);
  docker.containers = [running(1, 35), running(2, 30)];
  await clock.advance(RELIST);
  expect(told).toEqual(["list 1", "event 2"]);
  expect(docker.calls.filter((call) => call === "list")).toHaveLength(2);
});

test("a start between the subscription and the list is told once, though both show it", async () => {
  const { docker, clock, told } = await setUp((d) => {
    d.onList = () => {
      d.onList = () => Promise.resolve();
      d.stream.say(event("start", 1, clock0));
      return Promise.resolve();
    };
    d.containers = [running(1, 0)];
  });
  await clock.advance(0);
  expect(told).toHaveLength(1);
  docker.containers = [running(1, 30)];
  await clock.advance(RELIST);
  expect(told).toHaveLength(1);
});

test("the first stream asks for the moment before it, by Docker's own clock", async () => {
  const { docker, clock } = await setUp();
  expect(docker.stream.since).toBe(`${clock.now() / 1000 - 1}.000000000`);
});

test("a new stream asks for what came since the last event, to the nanosecond", async () => {
  const { docker, clock } = await setUp();
  const last = event("start", 1, clock.now() + 123);
  docker.stream.say({ ...last, stamp: "1767225600.123456789" });
  await clock.advance(200);
  docker.stream.end();
  await clock.advance(200);
  expect(docker.streams).toHaveLength(2);
  expect(docker.stream.since).toBe("1767225600.123456789");
});

test("after a long silence a new stream asks for a minute, and the list does the rest", async () => {
  const { docker, clock } = await setUp();
  await clock.advance(300_000);
  docker.stream.fail();
  await clock.advance(200);
  expect(Number(docker.stream.since)).toBeCloseTo(clock.now() / 1000 - 60, -1);
});

test("each new stream is followed by a list, and a start that neither replay nor event tells of is found", async () => {
  const { docker, clock, told } = await setUp();
  await clock.advance(5000);
  docker.containers = [running(1, 0)];
  docker.stream.fail();
  await clock.advance(200);
  expect(docker.calls.slice(-3)).toEqual(["hello", "events", "list"]);
  expect(told).toEqual(["list 1"]);
});

test("events that a new stream replays are not told twice", async () => {
  const { docker, clock, told } = await setUp();
  const first = event("start", 1, clock.now());
  docker.stream.say(first);
  await clock.advance(100);
  docker.stream.end();
  await clock.advance(200);
  docker.stream.say(first, event("start", 2, clock.now()));
  await clock.advance(0);
  expect(told).toEqual(["event 1", "event 2"]);
});

test("an end is told, a restart is a new start, and a replayed end is not the new start's", async () => {
  const { docker, clock, told } = await setUp();
  const at = clock.now();
  docker.stream.say(
    event("start", 1, at),
    event("die", 1, at + 10),
    event("start", 1, at + 20),
  );
  await clock.advance(100);
  docker.stream.say(event("die", 1, at + 10));
  await clock.advance(0);
  expect(told).toEqual(["event 1", "ended 1", "event 1"]);
});

test("it comes back after a tenth of a second, then ever later up to ten, and each failure ends in a list", async () => {
  const { docker, clock } = await setUp((d) => {
    d.onHello = () => Promise.reject(new TransportError("ECONNREFUSED"));
  });
  await clock.advance(60_000);
  const hellos = docker.calls.filter((call) => call === "hello").length;
  const lists = docker.calls.filter((call) => call === "list").length;
  // 75 ms, 150, … 4.8 s, then 7.5 s each: 0.075 × (2^7 − 1) = 9.5 s, and six more within the minute.
  expect(hellos).toBe(14);
  expect(lists).toBeGreaterThanOrEqual(hellos);
  expect(docker.calls).not.toContain("events");
});

test("without a stream the lists alone tell of what starts", async () => {
  const { docker, clock, told, watch } = await setUp((d) => {
    d.onEvents = () => Promise.reject(new TransportError("http_403"));
  });
  await clock.advance(60_000);
  const began = clock.now();
  docker.containers = () => [running(1, (clock.now() - began) / 1000)];
  await clock.advance(10_000);
  expect(told).toEqual(["list 1"]);
  expect(watch.health()).toMatchObject({ listed: true, streamGone: 70_000 });
});

test("a stream that ends at once each time is not opened in a tight loop", async () => {
  const { docker, clock } = await setUp();
  docker.onEvents = () => {
    queueMicrotask(() => {
      queueMicrotask(() => {
        docker.stream.end();
      });
    });
    return Promise.resolve();
  };
  docker.stream.end();
  await clock.advance(60_000);
  expect(docker.streams.length).toBeLessThan(20);
});

test("a stream that brought something and then broke is met at once, however often that happens", async () => {
  const { docker, clock, told } = await setUp();
  for (let n = 1; n <= 30; n += 1) {
    docker.stream.say(event("start", n, clock.now()));
    await clock.advance(0);
    docker.stream.fail();
    await clock.advance(200);
    expect(docker.streams).toHaveLength(n + 1);
  }
  expect(told).toHaveLength(30);
  for (let n = 1; n <= 10; n += 1) {
    await clock.advance(6000);
    docker.stream.fail();
    await clock.advance(200);
    expect(docker.streams).toHaveLength(31 + n);
  }
});

test("a list that fails is asked for again soon, and the stream goes on meanwhile", async () => {
  const { docker, clock, told, meters } = await setUp((d) => {
    d.onList = () => Promise.reject(new TransportError("too_large"));
  });
  docker.stream.say(event("start", 1, clock.now()));
  await clock.advance(1000);
  expect(told).toEqual(["event 1"]);
  expect(meters.total("lists", "failed")).toBeGreaterThanOrEqual(3);
  expect(docker.streams).toHaveLength(1);
  docker.onList = () => Promise.resolve();
  docker.containers = [running(1, 1), running(2, 1)];
  await clock.advance(2000);
  expect(told).toEqual(["event 1", "list 2"]);
});

test("a stream that announces nothing of what the list shows is dead: it is counted and replaced", async () => {
  const { docker, clock, meters, told, lines } = await setUp();
  const dead = docker.stream;
  await clock.advance(20_000);
  docker.containers = [running(1, 5)];
  await clock.advance(10_000);
  expect(told).toEqual(["list 1"]);
  expect(meters.total("unannounced")).toBe(0);
  docker.containers = [running(1, 35)];
  await clock.advance(RELIST);
  expect(meters.total("unannounced")).toBe(1);
  expect(dead.open).toBe(false);
  await clock.advance(200);
  expect(docker.streams).toHaveLength(2);
  expect(lines.some(({ count }) => count === 1)).toBe(true);
});

test("a stream is renewed every ten minutes, lest a silent death on a quiet host go unnoticed", async () => {
  const { docker, clock } = await setUp();
  await clock.advance(RENEW - 1);
  expect(docker.streams).toHaveLength(1);
  await clock.advance(200);
  expect(docker.streams).toHaveLength(2);
  expect(docker.stream.open).toBe(true);
});

test("an event that cannot be read is counted and costs nothing else", async () => {
  const { docker, clock, meters, told } = await setUp();
  docker.stream.say("unreadable", event("start", 1, clock.now()));
  await clock.advance(0);
  expect(meters.total("unreadable")).toBe(1);
  expect(told).toEqual(["event 1"]);
});

test("a list asked for before the stream stood does not count as the one after it", async () => {
  let answerList: () => void = () => undefined;
  const { docker, clock } = await setUp();
  docker.onList = () =>
    new Promise((resolve) => {
      answerList = resolve;
    });
  await clock.advance(RELIST);
  const before = docker.calls.length;
  docker.stream.end();
  await clock.advance(200);
  expect(docker.calls.slice(before)).toEqual(["hello", "events"]);
  docker.onList = () => Promise.resolve();
  answerList();
  await clock.advance(0);
  expect(docker.calls.slice(before)).toEqual(["hello", "events", "list"]);
});

test("a stop ends both loops at once, whatever they wait for", async () => {
  const { docker, clock, stop } = await setUp();
  docker.stream.say(event("start", 1, clock.now()));
  await stop();
  expect(clock.sleeping).toBe(0);
  expect(docker.stream.open).toBe(false);
});

test("a hundred cuts during two hundred starts lose none, and none is told twice", async () => {
  const { docker, clock, told } = await setUp();
  const ring: ReturnType<typeof event>[] = [];
  const started = new Map<number, number>();
  docker.containers = () =>
    [...started].map(([id, at]) =>
      running(id, Math.floor((clock.now() - at) / 1000)),
    );
  for (let n = 1; n <= 200; n += 1) {
    const start = event("start", n, clock.now());
    ring.push(start);
    started.set(n, clock.now());
    // Every other start falls on a stream that is just being cut; a quarter of those are gone from Docker's ring too.
    if (n % 2 === 0) {
      docker.stream.fail();
      if (n % 8 === 0) ring.pop();
    } else if (docker.stream.open) {
      docker.stream.say(start);
    }
    await clock.advance(130);
    const { since } = docker.stream;
    docker.stream.say(
      ...ring.filter((one) => Number(one.stamp) >= Number(since)),
    );
    await clock.advance(1);
  }
  await clock.advance(RELIST);
  const heard = told
    .map((line) => Number(line.split(" ")[1]))
    .toSorted((a, b) => a - b);
  expect(heard).toEqual(Array.from({ length: 200 }, (_, n) => n + 1));
});

test("its health tells the ages of stream and list", async () => {
  const { docker, clock, watch } = await setUp();
  await clock.advance(12_000);
  expect(watch.health()).toEqual({
    listed: true,
    listAge: 12_000,
    streamAge: 12_000,
  });
  docker.onHello = () => Promise.reject(new TransportError("ENOENT"));
  docker.onList = () => Promise.reject(new TransportError("ENOENT"));
  docker.stream.fail();
  await clock.advance(31_000);
  expect(watch.health()).toEqual({
    listed: true,
    listAge: 43_000,
    streamGone: 31_000,
  });
});
