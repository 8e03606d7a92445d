// The folder that works in front of any image: a static launcher, our own Node with its loader and C library, and the
// bundled entrypoint. Everything in it is found by absolute paths under /vaultbuddy, where it must be mounted.

import { execFile } from "node:child_process";
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { addEntrypoint } from "./code-cache.ts";
import { compilePrograms } from "./compile.ts";
import { places, replaceString } from "./elf.ts";
import { librariesOf } from "./libraries.ts";
import { writeLicenses } from "./licenses.ts";

/** The Node that goes into the bundle. */
export interface PinnedNode {
  /** The binary; symbolic links are followed. */
  readonly path: string;
  readonly version: string;
  /** The version of the C library that it runs with on this machine. */
  readonly glibc: string;
}

/** One file of the bundle. */
interface BundledFile {
  /** Within the folder. */
  readonly path: string;
  readonly bytes: number;
}

/** What was made. */
export interface Assembled {
  readonly files: readonly BundledFile[];
  /** False where this machine has no `strip`: Node is 33 MB larger then. */
  readonly stripped: boolean;
}

/** In glibc from this version on, looking up names needs no further library. */
const leastGlibc = 2.34;

/** Makes the bundle and puts it at `folder`, in place of what was there. */
export async function assemble(
  folder: string,
  node: PinnedNode,
): Promise<Assembled> {
  if (!(Number(node.glibc) >= leastGlibc)) {
    throw new Error(
      `the bundle is made on a machine with glibc ${leastGlibc} or newer: such as Debian 12 or Ubuntu 22.04`,
    );
  }
  await mkdir(dirname(folder), { recursive: true });
  const making = await mkdtemp(join(dirname(folder), ".bundle-"));
  try {
    await mkdir(join(making, "lib"));
    await compilePrograms(making);
    const stripped = await addNode(making, node);
    await addEntrypoint(join(making, "lib"), node.path);
    await writeFile(join(making, "lib/openssl.cnf"), opensslConfig);
    await writeFile(join(making, "lib/ns"), nsswitch);
    await writeLicenses(
      making,
      { node: node.version, glibc: node.glibc },
      join(dirname(await realpath(node.path)), "../LICENSE"),
    );
    const files = await finish(making);
    await rm(folder, { recursive: true, force: true });
    await rename(making, folder);
    return { files, stripped };
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}

/** Node would read the image's /etc/ssl/openssl.cnf otherwise. */
const opensslConfig =
  "# Deliberately empty: the entrypoint's TLS has OpenSSL's own defaults, whatever the image sets.\n";

/** The C library would load the modules that the image's /etc/nsswitch.conf names, built for another C library. */
const nsswitch = "hosts: files dns\n";

/** Adds Node, its loader and its libraries; resolves with whether symbols were removed. */
async function addNode(making: string, node: PinnedNode): Promise<boolean> {
  const lib = join(making, "lib");
  const { loader, shared } = await librariesOf(node.path);
  await change(node.path, join(lib, "node"), [[loader, places.loader]]);
  await change(loader, join(lib, basename(places.loader)), [
    ["/etc/ld.so.preload", places.none],
    ["/etc/ld.so.cache", places.none],
  ]);
  for (const library of shared) {
    const target = join(lib, basename(library));
    if (basename(library) === "libc.so.6") {
      await change(library, target, [["/etc/nsswitch.conf", places.nsswitch]]);
    } else {
      await copyFile(library, target);
    }
  }
  return strip(join(lib, "node"));
}

async function change(
  from: string,
  to: string,
  strings: readonly (readonly [string, string])[],
): Promise<void> {
  const binary = await readFile(from);
  for (const [old, fresh] of strings) {
    replaceString(binary, old, fresh, basename(from));
  }
  await writeFile(to, binary);
}

async function strip(path: string): Promise<boolean> {
  try {
    await promisify(execFile)("strip", ["--strip-all", path], {
      timeout: 60_000,
    });
    return true;
  } catch (error) {
    if (Reflect.get(Object(error), "code") === "ENOENT") {
      return false;
    }
    throw error;
  }
}

/** Sets the modes, whatever the umask: the app's user must be able to read all and write nothing. */
async function finish(making: string): Promise<BundledFile[]> {
  const files: BundledFile[] = [];
  await chmod(making, 0o755);
  for (const entry of await readdir(making, {
    recursive: true,
    withFileTypes: true,
  })) {
    const path = join(entry.parentPath, entry.name);
    const relative = path.slice(making.length + 1);
    if (entry.isDirectory()) {
      await chmod(path, 0o755);
    } else {
      await chmod(path, executable.has(relative) ? 0o555 : 0o444);
      files.push({ path: relative, bytes: (await stat(path)).size });
    }
  }
  return files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

const executable = new Set([
  "entrypoint",
  "install",
  "lib/become",
  "lib/supervise",
  "lib/node",
  "lib/ld.so",
  "lib/libc.so.6",
]);
