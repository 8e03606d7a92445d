// Key files as they come to be: for their owner only from the first byte on, and never over what is there already unless
// that was asked for. A key that was overwritten by mistake is a cluster whose containers nobody can serve.

import { lstatSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** A file to be. */
export interface KeyFile {
  readonly path: string;
  /** Less what the process's umask takes away. */
  readonly mode: number;
  readonly text: string;
}

/** Why key files were not written. Holds paths and nothing of the texts. */
class WriteFault extends Error {
  override readonly name = "WriteFault";
  readonly ours = true;
}

/**
 * Writes all, or none when one of them is there already; missing directories are made for the owner only. With `force`
 * each replaces what is there in one step. Throws {@link WriteFault}.
 */
export function writeKeyFiles(files: readonly KeyFile[], force: boolean): void {
  const there = force ? [] : files.filter(({ path }) => exists(path));
  if (there.length > 0) {
    throw new WriteFault(
      `${there.map(({ path }) => path).join(", ")}: exists, and nothing was written; --force replaces it`,
    );
  }
  for (const { path, mode, text } of files) {
    const fresh = force ? `${path}.new` : path;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      // "wx" follows no link and takes no file that somebody else has put there meanwhile.
      writeFileSync(fresh, text, { flag: "wx", mode });
      if (force) {
        renameSync(fresh, path);
      }
    } catch (error) {
      const code: unknown =
        error instanceof Error ? Reflect.get(error, "code") : undefined;
      throw new WriteFault(`${fresh}: cannot be written (${String(code)})`);
    }
  }
}

function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // Not even to be looked at: writing it says why.
    return false;
  }
}
