// Archives: what they may put where.

import { existsSync, statSync } from "node:fs";
import {
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { copyRoot, Rootfs } from "./rootfs.ts";
import { untar } from "./untar.ts";

let folder: string;
let into: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "vb-untar-"));
  into = join(folder, "root");
  await mkdir(into);
  await writeFile(join(folder, "outside"), "untouched");
});
afterEach(() => rm(folder, { recursive: true }));

type Header = Parameters<ReturnType<typeof pack>["entry"]>[0];

function tar(...entries: readonly (readonly [Header, string?])[]): Readable {
  const packed = pack();
  for (const [header, text] of entries) packed.entry(header, text ?? "");
  packed.finalize();
  return Readable.from(packed);
}

const link = { type: "symlink" } as const;

test("files, folders and links come with their modes, and the folders above them", async () => {
  const size = await untar(
    tar(
      [{ name: "a/b/file", mode: 0o4755 }, "text"],
      [{ name: "c/", type: "directory", mode: 0o500 }],
      [{ ...link, name: "d/rel", linkname: "../a/b/file" }],
      [{ ...link, name: "d/abs", linkname: "/a/b/file" }],
      [{ name: "hard", type: "link", linkname: "a/b/file" }],
    ),
    into,
  );
  expect(size).toBe(4);
  expect(statSync(join(into, "a/b/file")).mode & 0o7777).toBe(0o755);
  for (const name of ["d/rel", "d/abs", "hard"])
    expect(await readFile(join(into, name), "utf8")).toBe("text");
  expect(await readlink(join(into, "d/abs"))).toBe("../a/b/file");
});

test.each([
  ["a name with ..", [[{ name: "../outside" }, "x"]]],
  ["a link that climbs", [[{ ...link, name: "l", linkname: "../outside" }]]],
  [
    "a hard link that climbs",
    [[{ type: "link", name: "l", linkname: "../outside" }]],
  ],
] as const)("%s is refused", async (_, entries) => {
  await expect(untar(tar(...entries), into)).rejects.toThrow(/leads out/);
  expect(await readFile(join(folder, "outside"), "utf8")).toBe("untouched");
});

test("nothing is written through a link that was there before and leads out", async () => {
  await symlink(folder, join(into, "trap"));
  const writing = untar(tar([{ name: "trap/outside" }, "x"]), into);
  await expect(writing).rejects.toThrow(/leads out/);
  expect(await readFile(join(folder, "outside"), "utf8")).toBe("untouched");
});

test("an absolute link ends inside the root, whoever follows it", async () => {
  await untar(
    tar(
      [{ ...link, name: "trap", linkname: "/etc" }],
      [{ name: "trap/vb-test" }, "x"],
    ),
    into,
  );
  expect(existsSync("/etc/vb-test")).toBe(false);
  expect(await readFile(join(into, "etc/vb-test"), "utf8")).toBe("x");
});

test("links that turn in circles and text that is no archive are refused", async () => {
  const circle = tar(
    [{ ...link, name: "a", linkname: "b" }],
    [{ ...link, name: "b", linkname: "a" }],
    [{ name: "a/x" }, "x"],
  );
  await expect(untar(circle, into)).rejects.toThrow(/circles/);
  const noTar = untar(Readable.from([Buffer.alloc(2_000, "x")]), into);
  await expect(noTar).rejects.toMatchObject({ status: 500 });
});

test("a copy has small files of its own and shares the large ones", async () => {
  await untar(
    tar([{ name: "small" }, "x"], [{ name: "large" }, "x".repeat(70_000)]),
    into,
  );
  const copy = join(folder, "copy");
  await copyRoot(into, copy);
  const same = (name: string): boolean =>
    statSync(join(into, name)).ino === statSync(join(copy, name)).ino;
  expect([same("small"), same("large")]).toEqual([false, true]);
});

test("an empty volume gets what the image has in its place, a filled one is left alone", async () => {
  await untar(tar([{ name: "data/from-image" }, "x"]), into);
  const volume = join(folder, "volume");
  await mkdir(volume);
  const root = new Rootfs(into, ["/data"]);
  await root.mount({ target: "/data", source: volume }, true);
  expect(await readFile(join(volume, "from-image"), "utf8")).toBe("x");
  expect(root.locate("/data/not/there/yet")).toBe(
    join(into, "data/not/there/yet"),
  );
  expect(root.locate("/elsewhere")).toBeUndefined();
});
