// Builds images from their staged folders through the Engine API, as `docker build` would: the same Dockerfiles and the
// same arguments, with no client and, for the base that is made here, no registry.

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type Docker from "dockerode";
import {
  rootTar,
  type ImageDirectory,
  type ImageFile,
} from "../engine/root-tar.ts";
import { finish } from "./progress.ts";

/** The folder as the engine is sent it, the same bytes for the same content. */
export async function contextOf(folder: string): Promise<{
  readonly files: readonly ImageFile[];
  readonly directories: readonly ImageDirectory[];
}> {
  const files: ImageFile[] = [];
  const directories: ImageDirectory[] = [];
  for (const entry of await readdir(folder, {
    recursive: true,
    withFileTypes: true,
  })) {
    const source = join(entry.parentPath, entry.name);
    const path = source.slice(folder.length);
    const mode = (await stat(source)).mode & 0o777;
    if (entry.isDirectory()) directories.push({ path, mode });
    else files.push({ path, mode, source });
  }
  return { files, directories };
}

/** Builds the image `name` from a staged folder. Rejects with the engine's error and its last lines. */
export async function buildStaged(
  docker: Docker,
  folder: string,
  name: string,
  buildargs: Readonly<Record<string, string>>,
): Promise<void> {
  const { files, directories } = await contextOf(folder);
  const progress = await docker.buildImage(rootTar(files, directories), {
    t: name,
    buildargs: { ...buildargs },
    // Intermediate containers are of no use to anybody.
    rm: true,
    forcerm: true,
  });
  await finish(progress);
}
