import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findCommand, quote } from "./find.ts";

const root = mkdtempSync(join(tmpdir(), "vaultbuddy-find-"));
const at = (...parts: string[]): string => join(root, ...parts);

beforeAll(() => {
  for (const directory of ["a", "b", "c"]) {
    mkdirSync(at(directory));
  }
  mkdirSync(at("a", "tool"));
  for (const [file, mode] of [
    [at("b", "tool"), 0o644],
    [at("c", "tool"), 0o755],
    [at("b", "closed"), 0o644],
  ] as const) {
    writeFileSync(file, "");
    chmodSync(file, mode);
  }
});

afterAll(() => rmSync(root, { recursive: true }));

const ends = (exit: string) => expect.objectContaining({ exit });

test("a command is the first executable file on PATH: directories and closed files are passed over", () => {
  const path = ["a", "b", "c"].map((name) => at(name)).join(":");
  expect(findCommand(["tool", "-x"], path)).toEqual({
    file: at("c", "tool"),
    argv: ["tool", "-x"],
  });
});

test("one leading -- is ours, the second one is the command's", () => {
  expect(findCommand(["--", "tool", "--"], at("c")).argv).toEqual([
    "tool",
    "--",
  ]);
});

test("a name with a slash is not looked for on PATH", () => {
  expect(findCommand([at("c", "tool")], undefined).file).toBe(at("c", "tool"));
  expect(() => findCommand(["./tool"], at("c"))).toThrow(ends("not_found"));
});

test("a closed file, and a directory named directly, may not be executed", () => {
  expect(() => findCommand(["closed"], at("b"))).toThrow(
    ends("not_executable"),
  );
  expect(() => findCommand([at("a")], at("b"))).toThrow(ends("not_executable"));
});

test("what is nowhere, and what is only a directory on PATH, is not found", () => {
  expect(() => findCommand(["nothing"], at("a"))).toThrow(ends("not_found"));
  expect(() => findCommand(["tool"], at("a"))).toThrow(ends("not_found"));
  expect(() => findCommand([], at("a"))).toThrow(ends("not_found"));
  expect(() => findCommand(["--"], at("a"))).toThrow(ends("not_found"));
  expect(() => findCommand([""], at("a"))).toThrow(ends("not_found"));
});

test("without PATH the usual places are searched", () => {
  expect(findCommand(["sh"], undefined).file).toMatch(/^\/(usr\/)?bin\/sh$/);
});

test("a name is shown without control characters and not without end", () => {
  expect(quote("a\n\u001bb")).toBe('"a\\n\\u001bb"');
  expect(quote("x".repeat(500))).toHaveLength(203);
});
