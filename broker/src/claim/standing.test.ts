import { describe, expect, test } from "vitest";
import { isRestart, refusalFor, standingOf } from "./standing.ts";
import type { Standing } from "./standing.ts";

const none = standingOf(undefined);
const restart = { max: 2, minInterval: 60_000 };
const NOW = 1_000_000;

function standing(change: Partial<Standing>): Standing {
  return { ...none, family: "web", ...change };
}

const delivered = (generation: number, ago: number): Standing =>
  standing({ state: "delivered", generation, deliveredAt: NOW - ago });

const cases: readonly (readonly [
  string,
  Standing,
  typeof restart | undefined,
  string | undefined,
])[] = [
  ["nobody has claimed", none, undefined, undefined],
  ["somebody holds", standing({ state: "held" }), undefined, undefined],
  ["has had its token", delivered(0, 1e6), undefined, "already_delivered"],
  ["restarted long ago enough", delivered(0, 60_000), restart, undefined],
  ["restarted too soon", delivered(0, 59_999), restart, "already_delivered"],
  [
    "was served in the future of a clock that went back",
    delivered(0, -1),
    restart,
    "already_delivered",
  ],
  ["restarted for the last time", delivered(1, 60_000), restart, undefined],
  ["restarted too often", delivered(2, 60_000), restart, "already_delivered"],
  [
    "was released after two mints",
    standing({ state: "released", mints: 2 }),
    undefined,
    undefined,
  ],
  [
    "was released after three mints",
    standing({ state: "released", mints: 3 }),
    undefined,
    "delivery_refused",
  ],
  [
    "was released in a restart the rule allows",
    standing({ state: "released", generation: 2 }),
    restart,
    undefined,
  ],
  [
    "was released in a restart the rule no longer allows",
    standing({ state: "released", generation: 1 }),
    undefined,
    "already_delivered",
  ],
  [
    "is uncertain",
    standing({ state: "uncertain" }),
    restart,
    "delivery_uncertain",
  ],
];

describe("a container that", () => {
  for (const [name, at, rule, code] of cases) {
    test(`${name} is ${code === undefined ? "let through" : `refused: ${code}`}`, () => {
      expect(refusalFor(at, rule, NOW)?.code).toBe(code);
    });
  }

  test("had a token before is restarted, and no age check is due", () => {
    expect(isRestart(none)).toBe(false);
    expect(isRestart(standing({ state: "released" }))).toBe(false);
    expect(isRestart(delivered(0, 1))).toBe(true);
    expect(isRestart(standing({ state: "held", generation: 1 }))).toBe(true);
  });
});
