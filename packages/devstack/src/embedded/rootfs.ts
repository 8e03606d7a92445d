// The files of a container: a folder of its own that begins as its image's, with a link where something is mounted. The
// process is not shut in there (that would need rights that an ordinary user lacks), so paths are translated instead.

import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  statSync,
} from "node:fs";
import {
  copyFile,
  cp,
  link,
  lstat,
  mkdir,
  readdir,
  readlink,
  rm,
  symlink,
} from "node:fs/promises";
import { dirname, join, posix } from "node:path";

/** Files from this size on are shared between a root and its copies instead of copied: programs and libraries. */
const sharedFrom = 65_536;

/** Something from outside at a place in the container. */
export interface Mounted {
  /** Absolute, in the container. */
  readonly target: string;
  /** A folder or file of this machine. */
  readonly source: string;
}

/**
 * Copies a root. Large files become hard links, because each container would cost 150 MB otherwise; whoever writes into
 * one in place, instead of replacing it, changes it for its image too.
 */
export async function copyRoot(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await copyRoot(source, target);
    else if (entry.isSymbolicLink())
      await symlink(await readlink(source), target);
    else if (entry.isFile()) await copyOne(source, target);
  }
}

async function copyOne(source: string, target: string): Promise<void> {
  const { size } = await lstat(source);
  if (size < sharedFrom) return copyFile(source, target);
  await link(source, target).catch(() => copyFile(source, target));
}

/** A container's files. */
export class Rootfs {
  readonly dir: string;
  readonly #mounted: readonly string[];

  constructor(dir: string, mounted: readonly string[]) {
    this.dir = dir;
    this.#mounted = mounted;
  }

  /** Puts a link where something is mounted; a volume that is still empty gets what the image has there. */
  async mount({ target, source }: Mounted, fillVolume: boolean): Promise<void> {
    const at = join(this.dir, target);
    await mkdir(dirname(at), { recursive: true });
    if (fillVolume && statSync(at, { throwIfNoEntry: false })?.isDirectory()) {
      const empty = (await readdir(source)).length === 0;
      if (empty)
        await cp(at, source, { recursive: true, verbatimSymlinks: true });
    }
    await rm(at, { recursive: true, force: true });
    await symlink(source, at);
  }

  /** A container's path on this machine. The path's own `..` can't climb out of the root. */
  path(inContainer: string): string {
    return join(this.dir, posix.resolve("/", inContainer));
  }

  /** Where a container's absolute path is on this machine; undefined when the container has nothing of that name. */
  locate(inContainer: string): string | undefined {
    const path = posix.resolve("/", inContainer);
    // A file that a mount is going to have is in the mount already: a program may be told where to write.
    const mounted = this.#mounted.some(
      (target) => path === target || path.startsWith(`${target}/`),
    );
    const at = join(this.dir, path);
    return mounted || exists(at) ? at : undefined;
  }

  /** Whether something can be run there: "absent", "denied" or "yes". */
  runnable(at: string): "yes" | "absent" | "denied" {
    if (!existsSync(at)) return "absent";
    try {
      accessSync(at, constants.X_OK);
    } catch {
      return "denied";
    }
    return statSync(at).isFile() ? "yes" : "denied";
  }
}

function exists(at: string): boolean {
  return lstatSync(at, { throwIfNoEntry: false }) !== undefined;
}
