// The bundle's four C programs, each one static file of a few kilobytes. musl, because a static glibc is twenty times
// the size and still loads parts of itself from the image.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const sources = fileURLToPath(new URL("../launcher/", import.meta.url));

/** The programs and their places in the bundle. */
const programs = {
  "entrypoint.c": "entrypoint",
  "become.c": "lib/become",
  "supervise.c": "lib/supervise",
  "install.c": "install",
} as const;

const flags = [
  "-std=c11",
  "-Os",
  "-static",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-ffunction-sections",
  "-fdata-sections",
  "-Wl,--gc-sections,--build-id=none",
  "-s",
];

/** Compiles the programs into the folder `into`, which has a directory lib. Rejects with what to install. */
export async function compilePrograms(into: string): Promise<void> {
  for (const [source, target] of Object.entries(programs)) {
    await compile(join(sources, source), join(into, target));
  }
}

/** Compiles one C file to one static executable. */
async function compile(source: string, target: string): Promise<void> {
  try {
    await promisify(execFile)("musl-gcc", [...flags, "-o", target, source], {
      timeout: 60_000,
    });
  } catch (error) {
    throw Reflect.get(Object(error), "code") === "ENOENT"
      ? new Error(
          "the bundle's launcher needs the compiler musl-gcc: install Debian's musl-tools",
        )
      : error;
  }
}
