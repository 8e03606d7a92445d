// The README says what the code does: settings, codes and exit codes, none missing and none made up.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { filled } from "./tables.ts";

/** Without the padding that the formatter gives to columns. */
const plain = (text: string): string =>
  text.replace(/ +/g, " ").replace(/-{3,}/g, "---");

test("its tables are those of the code", () => {
  const readme = readFileSync(
    new URL("../../README.md", import.meta.url),
    "utf8",
  );
  expect(plain(readme), "run `npx --yes pnpm@12 tables`").toBe(
    plain(filled(readme)),
  );
});

test("its two commands are scripts of the project", () => {
  const readme = readFileSync(
    new URL("../../README.md", import.meta.url),
    "utf8",
  );
  const { scripts } = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
  ) as { scripts: Record<string, string> };
  const named = [...readme.matchAll(/npx --yes pnpm@12 (\w+)/g)].map(
    (match) => match[1] ?? "",
  );
  expect(named).toContain("demo");
  expect(named).toContain("test");
  expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
});
