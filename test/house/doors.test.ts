// Every file opens with its one paragraph, and none grows past what one can hold in one's head.

import { expect, test } from "vitest";
import { code, isTest, sources } from "./sources.ts";

const inner = sources.filter(
  (source) => !isTest(source) && source.path.includes("/"),
);

test("every source file begins with a comment that says its place", () => {
  const bare = inner.filter(({ text }) => !/^(#![^\n]*\n)?\/\/ \S/.test(text));
  expect(bare.map((source) => source.path)).toEqual([]);
});

test("no source file is longer than 300 lines", () => {
  const long = inner.filter(({ text }) => text.split("\n").length > 301);
  expect(long.map((source) => source.path)).toEqual([]);
});

test("nothing is left to be done, switched off or silenced", () => {
  const marks = /\.(only|todo)\(|\bas any\b|: any\b/;
  const marked = sources.filter(
    (source) =>
      !source.path.startsWith("test/house/") &&
      (/\b(TODO|FIXME|XXX|HACK)\b|@ts-(ignore|nocheck|expect-error)/.test(
        source.text,
      ) ||
        marks.test(code(source))),
  );
  expect(marked.map((source) => source.path)).toEqual([]);
});
