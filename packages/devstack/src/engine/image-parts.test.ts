// What images are made of, without an engine: the libraries ldd names, the tar and its hash, the pause program.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nodeRoot, parseLdd } from "./node-root.ts";
import { pauseBinary } from "./pause-binary.ts";
import { hashFiles, type ImageFile, rootTar } from "./root-tar.ts";

let directory = "";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "image-"));
  await writeFile(join(directory, "source"), "from a file");
});

afterAll(() => rm(directory, { recursive: true }));

test("the libraries and the loader are taken from ldd, the kernel's own is not", () => {
  const lines = [
    "\tlinux-vdso.so.1 (0x00007f00)",
    "\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f01)",
    "\t/lib64/ld-linux-x86-64.so.2 (0x00007f02)",
  ];
  expect(parseLdd(lines.join("\n"))).toEqual([
    "/lib/x86_64-linux-gnu/libm.so.6",
    "/lib64/ld-linux-x86-64.so.2",
  ]);
});

test("a missing library is named with the Debian package that has it", () => {
  expect(() => parseLdd("\tlibatomic.so.1 => not found\n")).toThrow(
    "this machine lacks libatomic.so.1, which Node needs: install Debian's libatomic1",
  );
});

test("Node's root holds the binary itself, its C library and a passwd", async () => {
  const paths = (await nodeRoot(process.execPath)).map(({ path }) => path);
  expect(paths).toContain("/usr/local/bin/node");
  expect(paths).toContain("/etc/passwd");
  expect(paths.some((path) => /libc\.so/.test(path))).toBe(true);
});

async function listed(files: readonly ImageFile[]): Promise<string[]> {
  const found: string[] = [];
  const reader = extract();
  reader.on("entry", ({ name, mode, type }, body, next) => {
    let text = "";
    body.on("data", (part) => (text += String(part)));
    body.on("end", () => {
      found.push(`${type} ${name} ${mode.toString(8)} ${text}`);
      next();
    });
  });
  await pipeline(rootTar(files, [{ path: "/tmp", mode: 0o1777 }]), reader);
  return found;
}

test("a root is a tar of its directories and files, whether given or read", async () => {
  const files = [
    { path: "/app/b", mode: 0o755, source: join(directory, "source") },
    { path: "/app/a", content: "given" },
  ];
  expect(await listed(files)).toEqual([
    "directory app/ 755 ",
    "directory tmp/ 1777 ",
    "file app/a 644 given",
    "file app/b 755 from a file",
  ]);
});

test("the hash is of paths, modes and contents, in whatever order and from wherever they come", async () => {
  const one = [
    { path: "/a", content: "from a file" },
    { path: "/b", content: "b" },
  ];
  const same = [
    { path: "/b", content: "b" },
    { path: "/a", source: join(directory, "source") },
  ];
  const other = [
    { path: "/a", content: "from a file", mode: 0o755 },
    { path: "/b", content: "b" },
  ];
  expect(await hashFiles(one)).toBe(await hashFiles(same));
  expect(await hashFiles(one)).not.toBe(await hashFiles(other));
});

test("a source that can't be read fails the tar and the hash", async () => {
  const files = [{ path: "/a", source: join(directory, "nothing") }];
  await expect(hashFiles(files)).rejects.toThrow(/ENOENT/);
  await expect(listed(files)).rejects.toThrow(/ENOENT/);
});

test("the pause program is an ELF file for its machine, and other machines are refused", () => {
  const machineOf = (arch: string): number =>
    Buffer.from(pauseBinary(arch)).readUInt16LE(18);
  expect([...pauseBinary("x64").subarray(0, 4)]).toEqual([
    0x7f, 0x45, 0x4c, 0x46,
  ]);
  expect([machineOf("x64"), machineOf("arm64")]).toEqual([62, 183]);
  expect(() => pauseBinary("ia32")).toThrow("no pause program for ia32");
});
