// Docker's answers as it writes them, as other versions write them, and as nobody should.

import { ShapeError } from "@vaultbuddy/common";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseEvent, parseRunning } from "./docker-answers.ts";
import { containerId } from "./testing.ts";

const START = `{"status":"start","id":"${containerId(1)}","from":"web","Type":"container","Action":"start","Actor":{"ID":"${containerId(1)}","Attributes":{"com.amazonaws.ecs.cluster":"c","image":"web","name":"ecs-web-1"}},"scope":"local","time":1795339155,"timeNano":1795339155335566008}`;

test("a start event of Docker 20.10 is read, its nanoseconds to the last digit", () => {
  expect(parseEvent(START)).toEqual({
    action: "start",
    id: containerId(1),
    name: "ecs-web-1",
    labels: new Map([
      ["com.amazonaws.ecs.cluster", "c"],
      ["image", "web"],
      ["name", "ecs-web-1"],
    ]),
    time: 1795339155335,
    stamp: "1795339155.335566008",
  });
});

test("an event without the fields that API 1.52 dropped, or without nanoseconds, is read too", () => {
  const bare = {
    Type: "container",
    Action: "die",
    Actor: { ID: containerId(2), Attributes: { exitCode: "0" } },
    time: 1795339155,
  };
  expect(parseEvent(JSON.stringify(bare))).toMatchObject({
    action: "die",
    stamp: "1795339155.000000000",
    time: 1795339155000,
    name: "",
  });
});

test("two events in one millisecond have different stamps", () => {
  const other = START.replace("335566008", "335566009");
  expect(parseEvent(other)?.stamp).not.toBe(parseEvent(START)?.stamp);
});

test("no label can pass for the event's time", () => {
  const forged = JSON.stringify({
    Type: "container",
    Action: "start",
    Actor: {
      ID: containerId(3),
      Attributes: {
        a: '"timeNano":1111111111111111111',
        timeNano: "2222222222222222222",
      },
    },
    time: 1795339155,
  });
  expect(parseEvent(forged)?.stamp).toBe("1795339155.000000000");
});

test.each([
  ["another type", START.replace('"container"', '"network"')],
  ["another action", START.replace('"Action":"start"', '"Action":"exec_die"')],
])("%s is no event of ours", (_, line) => {
  expect(parseEvent(line)).toBeUndefined();
});

test.each([
  ["HTML", "<html>502 Bad Gateway</html>"],
  ["half a line", START.slice(0, 200)],
  ["a list", "[]"],
  ["null", "null"],
  ["no actor", '{"Type":"container","Action":"start","time":1}'],
  ["an id that is none", START.replaceAll(containerId(1), "../../etc")],
  ["no time", START.replace(/,"time".*/, "}")],
])("%s is refused by name", (_, line) => {
  expect(() => parseEvent(line)).toThrow(ShapeError);
});

test("labels that are no text are passed over", () => {
  const line = START.replace('"image":"web"', '"image":7,"x":null');
  expect(parseEvent(line)?.labels.has("image")).toBe(false);
});

const RUNNING = {
  Id: containerId(1),
  Names: ["/ecs-web-1"],
  Labels: { a: "b" },
  State: "running",
  Status: "Up 7 seconds (healthy)",
};

test("an element of the list is read", () => {
  expect(parseRunning(RUNNING)).toEqual({
    id: containerId(1),
    name: "ecs-web-1",
    labels: new Map([["a", "b"]]),
    uptime: { min: 7000, max: 8000 },
  });
});

test.each(["exited", "created", "restarting", "dead", "removing"])(
  "a container that is %s does not run",
  (State) => {
    expect(parseRunning({ ...RUNNING, State })).toBeUndefined();
  },
);

test("a paused container runs, and one with odd words has no uptime", () => {
  expect(parseRunning({ ...RUNNING, State: "paused" })).toBeDefined();
  for (const Status of ["running", 7, undefined, "Up ".repeat(1000)]) {
    expect(parseRunning({ ...RUNNING, Status })?.uptime).toBeUndefined();
  }
});

test("whatever an element is, it is read or refused by name", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.anything(),
        fc.record(
          {
            Id: fc.oneof(fc.constant(containerId(9)), fc.anything()),
            Names: fc.anything(),
            Labels: fc.anything(),
            State: fc.oneof(fc.constant("running"), fc.anything()),
            Status: fc.anything(),
          },
          { requiredKeys: [] },
        ),
      ),
      (value) => {
        try {
          parseRunning(value);
        } catch (error) {
          expect(error).toBeInstanceOf(ShapeError);
        }
      },
    ),
  );
});
