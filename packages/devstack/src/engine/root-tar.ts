// A root filesystem as a tar stream, and the hash of what is in it. Files are read as they are sent, so that the image
// of a 150 MB binary is never in memory; order and times are fixed, so that the same content is the same tar.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { pack, type Pack } from "tar-stream";

/** One file of an image: its content here, or where to read it on this machine. */
export interface ImageFile {
  /** Absolute, in the image. */
  readonly path: string;
  /** Permission bits; 0o644 when absent. */
  readonly mode?: number;
  readonly content?: string | Uint8Array;
  /** A file on this machine; symbolic links are followed. */
  readonly source?: string;
}

/** A directory an image must have although nothing of ours lies in it. */
export interface ImageDirectory {
  readonly path: string;
  readonly mode: number;
}

const defaultMode = 0o644;
const epoch = new Date(0);

/** Hex SHA-256 over paths, modes and contents. Rejects when a source can't be read. */
export async function hashFiles(files: readonly ImageFile[]): Promise<string> {
  const all = createHash("sha256");
  for (const file of inOrder(files)) {
    const one = createHash("sha256");
    if (file.source === undefined) one.update(bytesOf(file));
    else await pipeline(createReadStream(file.source), one);
    all.update(
      `${file.path}\0${file.mode ?? defaultMode}\0${one.digest("hex")}\n`,
    );
  }
  return all.digest("hex");
}

/** The tar of these files, with every directory above them; a failing source destroys the stream with its error. */
export function rootTar(
  files: readonly ImageFile[],
  directories: readonly ImageDirectory[] = [],
): Readable {
  const tar = pack();
  fill(tar, files, directories).then(
    () => tar.finalize(),
    (error: unknown) =>
      tar.destroy(
        error instanceof Error ? error : new Error("the image's tar failed"),
      ),
  );
  return Readable.from(tar);
}

async function fill(
  tar: Pack,
  files: readonly ImageFile[],
  directories: readonly ImageDirectory[],
): Promise<void> {
  for (const { path, mode } of withParents(files, directories)) {
    tar.entry({
      name: `${path.slice(1)}/`,
      type: "directory",
      mode,
      mtime: epoch,
    });
  }
  for (const file of inOrder(files)) {
    const header = {
      name: file.path.slice(1),
      mode: file.mode ?? defaultMode,
      mtime: epoch,
    };
    if (file.source === undefined) {
      tar.entry(header, Buffer.from(bytesOf(file)));
    } else {
      const { size } = await stat(file.source);
      await pipeline(
        createReadStream(file.source),
        tar.entry({ ...header, size }),
      );
    }
  }
}

function withParents(
  files: readonly ImageFile[],
  directories: readonly ImageDirectory[],
): ImageDirectory[] {
  const found = new Map<string, number>();
  for (const { path } of [...files, ...directories]) {
    for (
      let above = posix.dirname(path);
      above !== "/";
      above = posix.dirname(above)
    )
      found.set(above, 0o755);
  }
  for (const { path, mode } of directories) found.set(path, mode);
  return [...found]
    .map(([path, mode]) => ({ path, mode }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function inOrder(files: readonly ImageFile[]): ImageFile[] {
  return files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function bytesOf(file: ImageFile): Uint8Array {
  if (file.content === undefined)
    throw new Error(
      `the image's file ${file.path} has neither content nor source`,
    );
  return typeof file.content === "string"
    ? Buffer.from(file.content)
    : file.content;
}
