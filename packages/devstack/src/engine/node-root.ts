// What a root filesystem needs so that the pinned Node runs in it: the binary, the shared libraries this machine would
// load for it, their loader, and the few files of /etc that a C library asks for. Nothing is pulled from anywhere.

import { execFile } from "node:child_process";
import { realpath } from "node:fs/promises";
import { promisify } from "node:util";
import type { ImageDirectory, ImageFile } from "./root-tar.ts";

/** Where Node is in the image; it is on the PATH too. */
export const nodePath = "/usr/local/bin/node";

/** Debian's package for a library that bare machines lack. */
const packages: Readonly<Record<string, string>> = {
  "libatomic.so.1": "libatomic1",
  "libstdc++.so.6": "libstdc++6",
  "libgcc_s.so.1": "libgcc-s1",
};

/** Directories of every image: somewhere to write, and somewhere to be. */
export const rootDirectories: readonly ImageDirectory[] = [
  { path: "/tmp", mode: 0o1777 },
  { path: "/root", mode: 0o700 },
  { path: "/app", mode: 0o755 },
];

/** The few files of /etc that the C library reads. */
const etc: readonly ImageFile[] = [
  {
    path: "/etc/passwd",
    content:
      "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/tmp:/sbin/nologin\n",
  },
  { path: "/etc/group", content: "root:x:0:\nnogroup:x:65534:\n" },
  {
    path: "/etc/nsswitch.conf",
    content: "passwd: files\ngroup: files\nhosts: files dns\n",
  },
];

/** All files for an image in which `binary` runs. Rejects with a sentence that names the missing library and package. */
export async function nodeRoot(binary: string): Promise<ImageFile[]> {
  const real = await realpath(binary);
  const libraries = parseLdd(await ldd(real));
  return [
    ...etc,
    { path: nodePath, mode: 0o755, source: real },
    ...libraries.map((path) => ({ path, mode: 0o755, source: path })),
  ];
}

async function ldd(binary: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)("ldd", [binary], {
      timeout: 10_000,
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
    });
    return stdout;
  } catch (cause) {
    throw new Error(
      `cannot learn which shared libraries ${binary} needs: images are built on Linux, with ldd`,
      { cause },
    );
  }
}

/**
 * The files named by `ldd`'s lines: `libm.so.6 => /lib/…/libm.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`.
 * They keep their places, which are the loader's defaults: the image has no ld.so.cache.
 */
export function parseLdd(output: string): string[] {
  const found: string[] = [];
  for (const line of output.split("\n").map((one) => one.trim())) {
    const missing = /^(\S+) => not found/.exec(line)?.[1];
    if (missing !== undefined) {
      const hint = packages[missing];
      throw new Error(
        `this machine lacks ${missing}, which Node needs` +
          (hint === undefined ? "" : `: install Debian's ${hint}`),
      );
    }
    const path = /^(?:\S+ => )?(\/\S+) \(0x/.exec(line)?.[1];
    if (path !== undefined) found.push(path);
  }
  return found;
}
