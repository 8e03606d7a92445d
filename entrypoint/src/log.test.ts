import { Secret } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { logLevels, openLog } from "./log.ts";

test("what is below the level is not written, and each entry is one line", () => {
  const lines: string[] = [];
  const log = openLog("warn", (line) => lines.push(line));
  for (const level of logLevels) {
    log[level]("it happened", {
      at: "a/b",
      why: "x\ny",
      none: undefined,
      count: 2,
    });
  }
  expect(lines).toEqual([
    'vaultbuddy-entrypoint: warn: it happened at=a/b why="x\\ny" count=2\n',
    'vaultbuddy-entrypoint: error: it happened at=a/b why="x\\ny" count=2\n',
  ]);
});

test("a secret that gets there all the same is not shown", () => {
  const lines: string[] = [];
  const token = new Secret("hvs.marked") as unknown as string;
  openLog("debug", (line) => lines.push(line)).debug("a token", { token });
  expect(lines.join()).not.toContain("marked");
});
