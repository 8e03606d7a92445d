// Every code and every exit code is reached by a test that names it, besides standing in its table and the README.

import { deliveryCodes, noticeCodes } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { exits } from "../../entrypoint/src/exit.ts";
import { isTest, sources } from "./sources.ts";

const tests = sources.filter(
  (source) => isTest(source) && !source.path.startsWith("test/house/"),
);
const named = (word: string, where: RegExp): boolean =>
  tests.some(
    (source) =>
      where.test(source.path) && new RegExp(`\\b${word}\\b`).test(source.text),
  );

test.each(Object.keys(noticeCodes))(
  "the broker's %s is reached through HTTP",
  (code) => {
    expect(named(code, /^test\/codes\.test\.ts$/)).toBe(true);
  },
);

test.each(Object.keys(deliveryCodes))(
  "the entrypoint's %s is reached through the real process",
  (code) => {
    expect(named(code, /^entrypoint\/src\/process\//)).toBe(true);
  },
);

test.each(
  Object.entries(exits).map(([name, { code }]) => [name, code] as const),
)(
  "the exit code of %s (%i) is reached through the real process",
  (name, code) => {
    expect(
      named(name, /^entrypoint\/src\/process\//) ||
        named(String(code), /^(entrypoint\/src\/process|test)\//),
    ).toBe(true);
  },
);
