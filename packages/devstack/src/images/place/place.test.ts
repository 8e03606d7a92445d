// What the broker's files are made of, and that nothing else can be made.

import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { place, readPlacings } from "./place.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vaultbuddy-place-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("the arguments", () => {
  test("name variables and files", () => {
    expect(readPlacings(["MASTER_KEY=hmac-master", "P=policy.json"])).toEqual([
      { variable: "MASTER_KEY", file: "hmac-master" },
      { variable: "P", file: "policy.json" },
    ]);
  });

  test.each([
    "",
    "MASTER_KEY",
    "=file",
    "A=",
    "A=../file",
    "A=/file",
    "A=.file",
    "a=file",
    "A=b/c",
  ])("can't be %j", (arg) => {
    expect(() => readPlacings([arg])).toThrow("is not VARIABLE=FILE");
  });

  test("can't be missing", () => {
    expect(() => readPlacings([])).toThrow("usage");
  });
});

describe("a file", () => {
  const placings = [{ variable: "MASTER_KEY", file: "hmac-master" }];

  test("holds the value, and only its owner may read it", () => {
    place(folder, placings, { MASTER_KEY: "the key" });
    const path = join(folder, "hmac-master");
    expect(readFileSync(path, "utf8")).toBe("the key");
    expect(statSync(path).mode & 0o777).toBe(0o400);
  });

  test("is replaced whole when the task is started again", () => {
    place(folder, placings, { MASTER_KEY: "the key" });
    place(folder, placings, { MASTER_KEY: "another" });
    expect(readdirSync(folder)).toEqual(["hmac-master"]);
    expect(readFileSync(join(folder, "hmac-master"), "utf8")).toBe("another");
  });

  test("is not made when any variable is missing, and no value is told", () => {
    const two = [...placings, { variable: "OTHER", file: "other" }];
    expect(() => place(folder, two, { MASTER_KEY: "the key" })).toThrow(
      /^the variable OTHER is not set$/,
    );
    expect(readdirSync(folder)).toEqual([]);
  });
});
