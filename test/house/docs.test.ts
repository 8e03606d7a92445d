// What goes wrong is looked up in one place: every code and exit code has its row there, and no document is a dead link.

import { existsSync, readFileSync } from "node:fs";
import { deliveryCodes, noticeCodes } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { exits } from "../../entrypoint/src/exit.ts";
import { documents } from "./sources.ts";

const read = (name: string): string =>
  readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");

test("troubleshooting has a row for every code", () => {
  const text = read("docs/troubleshooting.md");
  const codes = [...Object.keys(noticeCodes), ...Object.keys(deliveryCodes)];
  expect(codes.filter((code) => !text.includes(`\`${code}\``))).toEqual([]);
});

test("troubleshooting has a row for every exit code", () => {
  const table = read("docs/troubleshooting.md");
  const ranges = [...table.matchAll(/^\| \**(\d+)(?: – (\d+)|, (\d+))?/gm)].map(
    ([, from, to, and]) => ({
      from: Number(from),
      to: Number(to ?? and ?? from),
    }),
  );
  const missing = Object.values(exits)
    .map(({ code }) => code)
    // 239 is a fault of ours: the line asks for a report.
    .filter(
      (code) =>
        code !== 239 &&
        !ranges.some(({ from, to }) => code >= from && code <= to),
    );
  expect(missing).toEqual([]);
});

test("no link between documents is dead", () => {
  const dead = documents.flatMap((path) =>
    [...read(path).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)]
      .map((match) =>
        new URL(match[1] ?? "", new URL(path, "file:///")).pathname.slice(1),
      )
      .filter(
        (target) => !existsSync(new URL(`../../${target}`, import.meta.url)),
      )
      .map((target) => `${path} → ${target}`),
  );
  expect(dead).toEqual([]);
});
