// Adapter: the file system that secrets are written to. Looked at before anything is fetched, so that a missing mount costs
// no token; then each file appears whole under its name or not at all. Nothing is followed out of the directory.

import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import type { Secret } from "@vaultbuddy/common";
import { Failure, systemCode } from "../exit.ts";
import { quote } from "../find.ts";

/** File systems that are in memory only: tmpfs and ramfs (linux/magic.h). */
const IN_MEMORY = [0x01021994, 0x858458f6];

/** Who may read a file, and where it is. */
export interface Place {
  readonly path: string;
  readonly mode: number;
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** Where files may be. */
export interface Area {
  readonly directory: string;
  readonly disk: boolean;
  /** What to set, for the message about a directory that is on a disk. */
  readonly allowedBy: string;
}

/**
 * Makes the directories below the named one, and tries whether files can be written there. Throws {@link Failure}
 * `file_unwritable` that names the path.
 */
export function preparePlaces(area: Area, places: readonly Place[]): void {
  attempt(area.directory, () => {
    // The named directory may itself be reached over links of the image, such as /var/run: it is what was asked for.
    const root = realpathSync(area.directory);
    if (!lstatSync(root).isDirectory()) {
      throw unwritable(`${quote(area.directory)} is not a directory`);
    }
  });
  for (const place of places) {
    attempt(place.path, () => {
      const folder = makeFolders(area.directory, place.path);
      if (!area.disk && !IN_MEMORY.includes(statfsSync(folder).type)) {
        throw unwritable(
          `${quote(folder)} is on a file system that keeps what is written to it, and not on a tmpfs (${area.allowedBy} takes it all the same)`,
        );
      }
      if (lstatSync(place.path, { throwIfNoEntry: false })?.isDirectory()) {
        throw unwritable(`${quote(place.path)} is a directory`);
      }
      const trial = temporary(place.path);
      writeNew(trial, "", place);
      rmSync(trial);
    });
  }
}

/**
 * Writes the files. Throws {@link Failure} `file_unwritable`, and none of them is left then; else answers what removes
 * them again, which throws nothing.
 */
export function writeFiles(
  files: readonly (Place & { readonly content: Secret })[],
): () => void {
  const written: string[] = [];
  const remove = (): void => {
    for (const path of written.splice(0)) {
      try {
        rmSync(path, { force: true });
      } catch {
        // In a directory that is not ours what was given away may not be removed. The token still has to be revoked.
      }
    }
  };
  try {
    for (const { content, ...place } of files) {
      const { path } = place;
      attempt(path, () => {
        const trial = temporary(path);
        writeNew(trial, content.expose(), place);
        written.push(trial);
        // Takes the place of whatever is there, a link too, and follows none.
        renameSync(trial, path);
        written.splice(-1, 1, path);
      });
    }
  } catch (error) {
    remove();
    throw error;
  }
  return remove;
}

/**
 * The directory of a file; those below the named one are made, and none of them may be a link. They stay ours: to write
 * into one that was given away would take a capability.
 */
function makeFolders(root: string, path: string): string {
  const segments = path
    .slice(root.length + 1)
    .split("/")
    .slice(0, -1);
  let folder = root;
  for (const segment of segments) {
    folder = `${folder}/${segment}`;
    try {
      mkdirSync(folder);
      chmodSync(folder, 0o755);
    } catch (error) {
      if (systemCode(error) !== "EEXIST") {
        throw error;
      }
    }
    if (!lstatSync(folder).isDirectory()) {
      throw unwritable(`${quote(folder)} is not a directory`);
    }
  }
  return folder;
}

/** Beside the file, so that renaming is one step; the same each time, so that a killed try leaves at most one. */
function temporary(path: string): string {
  return path.replace(/[^/]*$/, (name) => `.${name.slice(0, 200)}.vaultbuddy`);
}

function writeNew(path: string, content: string, place: Place): void {
  // From an earlier start of this container that was killed in the middle.
  rmSync(path, { force: true });
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  const file = openSync(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600);
  try {
    writeFileSync(file, content);
    // Not by opening: the umask is the command's. And before the owner: afterwards it would need CAP_FOWNER.
    fchmodSync(file, place.mode);
    if (place.owner !== undefined) {
      fchownSync(file, place.owner.uid, place.owner.gid);
    }
    fsyncSync(file);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

function attempt(path: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    throw error instanceof Failure
      ? error
      : unwritable(
          `the file system refuses ${quote(path)} (${systemCode(error)})`,
        );
  }
}

function unwritable(message: string): Failure {
  return new Failure("file_unwritable", message);
}
