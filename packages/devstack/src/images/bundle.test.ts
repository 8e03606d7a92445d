// A program as its image carries it: one file that runs by itself, with the licences of what is in it, and without what
// dockerode brings for engines that are reached otherwise.

import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundle, licenseNote } from "./bundle.ts";
import { contextOf } from "./build.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "vaultbuddy-bundle-test-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("the agent runs as one file, and carries its licences", async () => {
  const made = await bundle(
    { source: "agent/src/main.ts", bundle: "agent.cjs" },
    folder,
  );
  expect(readdirSync(folder)).toEqual(["agent.cjs"]);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(folder, "agent.cjs"), "--help"],
    { cwd: folder },
  );
  expect(stdout).toContain("Usage: vaultbuddy-agent");
  const names = [...made.licenses.keys()].map((name) =>
    name.replace(/@[^@]+$/, ""),
  );
  expect(names).toEqual(
    expect.arrayContaining(["commander", "dockerode", "pino"]),
  );
  expect(
    names.filter((name) => /ssh2|grpc|protobuf|cpu-features/.test(name)),
  ).toEqual([]);
  expect(licenseNote([made])).toMatch(
    /== commander@[\d.]+\n\n\(?The MIT License/i,
  );
  expect(readFileSync(join(folder, "agent.cjs"), "utf8")).not.toContain(
    process.cwd(),
  );
});

test("a folder is sent to the engine file by file", async () => {
  const { files, directories } = await contextOf(folder);
  expect(files.map(({ path }) => path)).toEqual(["/agent.cjs"]);
  expect(directories).toEqual([]);
});
