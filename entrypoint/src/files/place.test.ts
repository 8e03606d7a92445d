import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret } from "@vaultbuddy/common";
import { afterEach, beforeEach, expect, test } from "vitest";
import { preparePlaces, writeFiles } from "./place.ts";

const TMPFS = 0x01021994;
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "vaultbuddy-files-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const area = () => ({ directory, disk: true, allowedBy: "X=allow" });
const file = (name: string, content = "s3cret", mode = 0o400) => ({
  path: join(directory, name),
  mode,
  content: new Secret(content),
});

test("a file has its content and its mode, whatever the umask, and directories below are made", () => {
  const files = [file("a"), file("deep/er/b", "B", 0o646)];
  const umask = process.umask(0o077);
  try {
    preparePlaces(area(), files);
    expect(readdirSync(directory)).toEqual(["deep"]);
    writeFiles(files);
  } finally {
    process.umask(umask);
  }
  expect(readFileSync(join(directory, "deep/er/b"), "utf8")).toBe("B");
  expect(statSync(join(directory, "a")).mode & 0o7777).toBe(0o400);
  expect(statSync(join(directory, "deep/er")).mode & 0o7777).toBe(0o755);
  expect(statSync(join(directory, "deep/er/b")).mode & 0o7777).toBe(0o646);
  expect(readdirSync(directory).toSorted()).toEqual(["a", "deep"]);
});

test("what was there is replaced in one step, a link is not followed, and what a killed try left is no obstacle", () => {
  writeFileSync(join(directory, "elsewhere"), "kept");
  symlinkSync(join(directory, "elsewhere"), join(directory, "a"));
  symlinkSync(join(directory, "elsewhere"), join(directory, ".a.vaultbuddy"));
  preparePlaces(area(), [file("a")]);
  writeFiles([file("a")]);
  expect(lstatSync(join(directory, "a")).isFile()).toBe(true);
  expect(readFileSync(join(directory, "elsewhere"), "utf8")).toBe("kept");
  expect(readdirSync(directory).toSorted()).toEqual(["a", "elsewhere"]);
});

test("what was written can be taken away again", () => {
  const remove = writeFiles([file("a"), file("b")]);
  remove();
  expect(readdirSync(directory)).toEqual([]);
});

test("when one file cannot be written none is left", () => {
  mkdirSync(join(directory, "b/full"), { recursive: true });
  expect(() => writeFiles([file("a"), file("b")])).toThrow(
    expect.objectContaining({
      exit: "file_unwritable",
      message: expect.not.stringContaining("s3cret") as string,
    }),
  );
  expect(readdirSync(directory)).toEqual(["b"]);
});

test.each<[string, () => void, string]>([
  [
    "a directory that is not there",
    () => rmSync(directory, { recursive: true }),
    "ENOENT",
  ],
  [
    "a link on the way",
    () => symlinkSync("/tmp", join(directory, "deep")),
    "is not a directory",
  ],
  [
    "a directory in the file's place",
    () => mkdirSync(join(directory, "deep/a"), { recursive: true }),
    "is a directory",
  ],
])("%s is found out beforehand", (_what, make, says) => {
  make();
  try {
    expect(() => preparePlaces(area(), [file("deep/a")])).toThrow(
      expect.objectContaining({
        exit: "file_unwritable",
        message: expect.stringContaining(says) as string,
      }),
    );
  } finally {
    mkdirSync(directory, { recursive: true });
  }
});

test.skipIf(statfsSync(tmpdir()).type === TMPFS)(
  "a disk is refused, with what would allow it",
  () => {
    expect(() =>
      preparePlaces({ ...area(), disk: false }, [file("a")]),
    ).toThrow(/not on a tmpfs \(X=allow takes it/);
  },
);

test.skipIf(statfsSync("/dev/shm").type !== TMPFS)("a tmpfs is taken", () => {
  const memory = mkdtempSync("/dev/shm/vaultbuddy-");
  const path = join(memory, "a");
  try {
    preparePlaces({ ...area(), directory: memory, disk: false }, [
      { path, mode: 0o400 },
    ]);
    expect(readdirSync(memory)).toEqual([]);
  } finally {
    rmSync(memory, { recursive: true });
  }
});

test.skipIf(process.getuid?.() !== 0)(
  "root gives a file to whom it is for",
  () => {
    const given = { ...file("deep/a"), owner: { uid: 1000, gid: 50 } };
    preparePlaces(area(), [given]);
    writeFiles([given]);
    const { uid, gid } = statSync(join(directory, "deep/a"));
    expect([uid, gid]).toEqual([1000, 50]);
    expect(statSync(join(directory, "deep/a")).mode & 0o7777).toBe(0o400);
  },
);
