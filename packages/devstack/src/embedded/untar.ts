// A tar into a folder, and nowhere else: names are taken apart, links that would lead out are refused, and nothing is
// written through a link. Owners, devices and set-uid bits are left behind: who unpacks is an ordinary user.

import { createWriteStream } from "node:fs";
import {
  chmod,
  link,
  lstat,
  mkdir,
  readlink,
  rm,
  symlink,
} from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import { ApiFault } from "./fault.ts";

type Entry =
  ReturnType<typeof extract> extends AsyncIterable<infer One> ? One : never;

const mostBytes = 4 * 1024 ** 3;
const mostLinks = 16;

/** Unpacks; answers how many bytes of files there were. Rejects with a fault for what is no tar or leads out. */
export async function untar(tar: Readable, into: string): Promise<number> {
  const entries = extract();
  let size = 0;
  const reading = pipeline(tar, entries);
  reading.catch(() => undefined);
  try {
    for await (const entry of entries) {
      size += entry.header.size ?? 0;
      if (size > mostBytes) throw new ApiFault(400, "the archive is too large");
      await place(entry, into);
      entry.resume();
    }
    await reading;
  } catch (error) {
    if (error instanceof ApiFault) throw error;
    const why = error instanceof Error ? error.message : "unreadable";
    throw new ApiFault(
      500,
      `Error processing tar file(exit status 1): ${why.slice(0, 200)}`,
    );
  }
  return size;
}

async function place(entry: Entry, root: string): Promise<void> {
  const { type, name, linkname, mode } = entry.header;
  const path = inside(name);
  const at = join(root, path);
  await realFolder(root, dirname(path));
  switch (type) {
    case "directory":
      await realFolder(root, path);
      if (path !== ".") await chmod(at, (mode & 0o777) | 0o700);
      return;
    case "file":
    case "contiguous-file":
      await rm(at, { recursive: true, force: true });
      await pipeline(entry, createWriteStream(at, { flags: "wx" }));
      // Exactly what the archive says: the process's umask is none of the image's concern.
      await chmod(at, (mode & 0o777) | 0o600);
      return;
    case "symlink":
      await rm(at, { recursive: true, force: true });
      await symlink(linkInside(path, linkname ?? ""), at);
      return;
    case "link": {
      const to = inside(linkname ?? "");
      await realFolder(root, dirname(to));
      await rm(at, { recursive: true, force: true });
      await link(join(root, to), at);
      return;
    }
    case "block-device":
    case "character-device":
    case "fifo":
      // Devices and the like need rights that nobody here has; no program of ours opens one in its image.
      return;
  }
}

/** A name of an archive as a path below the root. */
function inside(name: string): string {
  const path = posix.normalize(`/${name}`).slice(1).replace(/\/$/, "");
  if (name.split("/").includes("..") || name.includes("\0"))
    throw new ApiFault(400, `the archive's ${name.slice(0, 100)} leads out`);
  return path === "" ? "." : path;
}

/** A link's target seen from where it lies, so that an absolute one stays in the root. */
function linkInside(path: string, target: string): string {
  const from = `/${posix.dirname(path)}`;
  const to = posix.resolve(from, target);
  const climbs = posix.normalize(posix.join(posix.dirname(path), target));
  if (!target.startsWith("/") && climbs.startsWith(".."))
    throw new ApiFault(
      400,
      `the archive's link ${path.slice(0, 100)} leads out`,
    );
  return posix.relative(from, to) || ".";
}

/** Makes the folders of a path, following only such links as this file has placed: relative and inside. */
async function realFolder(
  root: string,
  path: string,
  links = 0,
): Promise<void> {
  if (links > mostLinks)
    throw new ApiFault(400, "the archive's links turn in circles");
  let at = ".";
  for (const part of path.split("/")) {
    if (part === "." || part === "") continue;
    at = posix.join(at, part);
    const found = await lstat(join(root, at)).catch(() => undefined);
    if (found?.isDirectory() === true) continue;
    if (found?.isSymbolicLink() === true) {
      const target = await readlink(join(root, at));
      const to = posix.join(posix.dirname(at), target);
      if (target.startsWith("/") || to.startsWith(".."))
        throw new ApiFault(400, "the archive's link leads out");
      await realFolder(root, to, links + 1);
      continue;
    }
    if (found !== undefined) await rm(join(root, at));
    await mkdir(join(root, at), { mode: 0o755 });
  }
}
