// The bookkeeping that decides whether a start is new. Times are seconds of Docker's clock; a list's words are given as
// the range that uptime.ts reads from them.

import fc from "fast-check";
import { expect, test } from "vitest";
import { Starts } from "./starts.ts";
import { event, running } from "./testing.ts";

const T = 1_795_000_000_000;

/** A list at second `at`; `streamSince` in seconds, or undefined while there is no stream. */
function at(
  second: number,
  streamSince?: number,
  took = 0,
): Parameters<Starts["list"]>[1] {
  return {
    time: T + second * 1000,
    took,
    ...(streamSince === undefined
      ? {}
      : { streamSince: T + streamSince * 1000 }),
  };
}

function start(n: number, second: number): Parameters<Starts["event"]>[0] {
  return event("start", n, T + second * 1000);
}

function die(n: number, second: number): Parameters<Starts["died"]>[0] {
  return event("die", n, T + second * 1000);
}

function ids(findings: ReturnType<Starts["list"]>): number[] {
  return findings.started.map(({ id }) => Number.parseInt(id, 16));
}

test("a start is new once, however often its event is replayed", () => {
  const starts = new Starts();
  expect(starts.event(start(1, 10))).toBe(true);
  expect(starts.event(start(1, 10))).toBe(false);
  expect(starts.event(start(1, 5))).toBe(false);
});

test("a later start of the same container is a new one, with or without its end in between", () => {
  const starts = new Starts();
  starts.event(start(1, 10));
  expect(starts.event(start(1, 12))).toBe(true);
  starts.died(die(1, 13));
  expect(starts.event(start(1, 14))).toBe(true);
});

test("the events of an earlier run, replayed, neither start nor end the present one", () => {
  const starts = new Starts();
  starts.event(start(1, 10));
  starts.died(die(1, 11));
  starts.event(start(1, 12));
  expect(starts.event(start(1, 10))).toBe(false);
  expect(starts.died(die(1, 11))).toBe(false);
  expect(ids(starts.list([running(1, 8)], at(20, 0)))).toEqual([]);
});

test("what runs before the first stream is found by the first list, once", () => {
  const starts = new Starts();
  expect(
    ids(starts.list([running(1, 5), running(2, 3600, 5400)], at(10, 10))),
  ).toEqual([1, 2]);
  expect(
    ids(starts.list([running(1, 35), running(2, 3600, 5400)], at(40, 10))),
  ).toEqual([]);
});

test("a start that its event announced is not found again by the lists that follow, whatever their words", () => {
  const starts = new Starts();
  starts.event(start(1, 100));
  for (const [second, min, max] of [
    [100, 0, 1],
    [130, 30, 31],
    [160, 60, 120],
    [190, 60, 120],
    [220, 120, 180],
    [3700, 3600, 7200],
    [9100, 7200 - 1800, 10_800],
  ] as const) {
    const found = starts.list([running(1, min, max)], at(second, 0));
    expect([second, ids(found)]).toEqual([second, []]);
  }
});

test("a start that the list showed first is the one its event then tells of", () => {
  const starts = new Starts();
  expect(ids(starts.list([running(1, 0)], at(10, 0)))).toEqual([1]);
  expect(starts.event(start(1, 10.4))).toBe(false);
  expect(starts.list([running(1, 29)], at(40, 0)).unannounced).toBe(0);
});

test("a restart that nobody announced is seen by the uptime that began again", () => {
  const starts = new Starts();
  starts.event(start(1, 10));
  expect(ids(starts.list([running(1, 90, 91)], at(100, 0)))).toEqual([]);
  expect(ids(starts.list([running(1, 5)], at(130, 0)))).toEqual([1]);
  expect(ids(starts.list([running(1, 35)], at(160, 0)))).toEqual([]);
});

test("a restart two seconds after a start is told apart by the list alone", () => {
  const starts = new Starts();
  starts.event(start(1, 10));
  expect(ids(starts.list([running(1, 27)], at(40, 38)))).toEqual([1]);
});

test("a container whose end was seen, and that runs, has started again", () => {
  const starts = new Starts();
  starts.event(start(1, 10));
  starts.died(die(1, 20));
  expect(ids(starts.list([running(1, 60, 120)], at(100, 90)))).toEqual([1]);
});

test("a list from before the end does not bring the ended container back", () => {
  const starts = new Starts();
  starts.event(start(1, 10));
  starts.died(die(1, 100));
  expect(ids(starts.list([running(1, 89)], at(99, 0)))).toEqual([]);
});

test("words too coarse to tell are believed while the stream has stood all the time", () => {
  const starts = new Starts();
  starts.event(start(1, 100));
  expect(ids(starts.list([running(1, 60, 120)], at(200, 90)))).toEqual([]);
});

test("words too coarse to tell mean a notice once more when nobody watched: 409 is harmless, a miss is not", () => {
  const starts = new Starts();
  starts.event(start(1, 100));
  expect(ids(starts.list([running(1, 60, 120)], at(200, 195)))).toEqual([1]);
  expect(ids(starts.list([running(1, 60, 120)], at(215, 195)))).toEqual([]);
});

test("an uptime that reaches back to the last certain moment rules a restart out", () => {
  const starts = new Starts();
  starts.event(start(1, 100));
  starts.list([running(1, 300, 360)], at(400, 0));
  expect(ids(starts.list([running(1, 300, 360)], at(430, 425)))).toEqual([]);
});

test("without words for the uptime only an end, or being unknown, makes a start", () => {
  const starts = new Starts();
  expect(ids(starts.list([running(1)], at(10, 0)))).toEqual([1]);
  expect(ids(starts.list([running(1)], at(100, 95)))).toEqual([]);
  starts.died(die(1, 110));
  expect(ids(starts.list([running(1)], at(130, 95)))).toEqual([1]);
});

test("a start in the stream's time that no event announced is counted once, by the next list", () => {
  const starts = new Starts();
  starts.list([], at(0, 0));
  expect(starts.list([running(1, 5)], at(30, 0))).toMatchObject({
    unannounced: 0,
  });
  expect(starts.list([running(1, 35)], at(60, 0))).toMatchObject({
    unannounced: 1,
  });
  expect(starts.list([running(1, 60, 120)], at(90, 0))).toMatchObject({
    unannounced: 0,
  });
});

test("a start from before the first stream is no fault of the stream", () => {
  const starts = new Starts();
  starts.list([running(1, 5)], at(10, 10));
  expect(starts.list([running(1, 35)], at(40, 10)).unannounced).toBe(0);
});

test("what has ended is forgotten after ten minutes, what runs is not", () => {
  const starts = new Starts();
  starts.event(start(1, 0));
  starts.event(start(2, 0));
  starts.died(die(2, 10));
  starts.list([running(1, 600, 660)], at(605, 0));
  expect(starts.size).toBe(2);
  starts.list([running(1, 600, 660)], at(615, 0));
  expect(starts.size).toBe(1);
});

test("what is remembered has a bound", () => {
  const starts = new Starts();
  for (let n = 1; n <= 50_010; n += 1) {
    starts.event(start(n, n));
  }
  expect(starts.size).toBe(50_000);
});

/** Docker's words, as a range, for an uptime in seconds. */
function words(up: number): [number, number] {
  return up < 60
    ? [Math.floor(up), Math.floor(up) + 1]
    : [Math.floor(up / 60) * 60, (Math.floor(up / 60) + 1) * 60];
}

test("whatever events are lost, a list within half a minute of the last loss leaves no run without a notice", () => {
  fc.assert(
    fc.property(
      // Runs of one container: the pause before each, its length, and whether each of its two events arrives.
      fc.array(
        fc.record({
          pause: fc.double({ min: 0.1, max: 100, noNaN: true }),
          length: fc.double({ min: 35, max: 400, noNaN: true }),
          startHeard: fc.boolean(),
          dieHeard: fc.boolean(),
        }),
        { minLength: 1, maxLength: 6 },
      ),
      fc.integer({ min: 0, max: 29 }),
      (runs, phase) => {
        const starts = new Starts();
        let clock = 1;
        let nextList = phase;
        for (const run of runs) {
          const began = clock + run.pause;
          const ended = began + run.length;
          const list = (until: number): number => {
            let found = 0;
            for (; nextList < until; nextList += 30) {
              const up = nextList - began;
              const shown = up < 0 ? [] : [running(1, ...words(up))];
              // The stream has just been opened again each time, so that nothing is certain by it.
              found += starts.list(shown, at(nextList, nextList)).started
                .length;
            }
            return found;
          };
          list(began);
          let notices = run.startHeard && starts.event(start(1, began)) ? 1 : 0;
          notices += list(ended);
          expect(notices).toBeGreaterThanOrEqual(1);
          if (run.dieHeard) {
            starts.died(die(1, ended));
          }
          clock = ended;
        }
      },
    ),
    { numRuns: 500 },
  );
});
