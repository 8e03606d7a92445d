// The base image for machines that reach no registry: the pinned Node and this machine's C library, and nothing else.
// `--base scratch-local` asks for it; anybody else names an image that has Node.

import { execFile } from "node:child_process";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type Docker from "dockerode";
import { nodePath, nodeRoot, rootDirectories } from "../engine/node-root.ts";
import { rootTar, type ImageFile } from "../engine/root-tar.ts";
import { finish } from "./progress.ts";

/** What `--base` says for it. */
export const scratchLocal = "scratch-local";

/** Who the images' programs run as: a number that owns nothing, so that no file of a host belongs to it. */
const nonRoot = 65_532;

const STRIP_MS = 60_000;

/** Makes the image `name` in the engine from the Node at `binary`; symbolic links are followed. */
export async function buildScratchLocal(
  docker: Docker,
  name: { readonly repo: string; readonly tag: string },
  binary: string,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "vaultbuddy-base-"));
  try {
    const files = await filesOf(binary, folder);
    const progress = await docker.importImage(rootTar(files, rootDirectories), {
      ...name,
      changes: [
        "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        `CMD ${JSON.stringify(["node"])}`,
      ],
    });
    await finish(progress);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function filesOf(binary: string, folder: string): Promise<ImageFile[]> {
  const stripped = await strip(binary, join(folder, "node"));
  const files = await nodeRoot(binary);
  return files.map((file) => {
    if (file.path === nodePath) return { ...file, source: stripped };
    return file.path === "/etc/passwd"
      ? {
          ...file,
          content: `${String(file.content)}nonroot:x:${nonRoot}:${nonRoot}:nonroot:/app:/sbin/nologin\n`,
        }
      : file;
  });
}

/** A copy without symbols, a fifth smaller; where there is no `strip`, the binary itself. */
async function strip(binary: string, copy: string): Promise<string> {
  try {
    await copyFile(binary, copy);
    await promisify(execFile)("strip", ["--strip-all", copy], {
      timeout: STRIP_MS,
    });
    return copy;
  } catch (error) {
    if (Reflect.get(Object(error), "code") === "ENOENT") return binary;
    throw error;
  }
}
