// Step 1 of the entrypoint: where the command is, before anything is listened for or fetched, so that a typo costs no
// token. The rules are those of execvp(3): the command would be found the same way without us.

import { accessSync, constants, statSync } from "node:fs";
import { Failure, systemCode } from "./exit.ts";
import { missingInterpreter } from "./interpreter.ts";

/** A command that exists and may be executed. */
export interface Command {
  /** The file to execute. */
  readonly file: string;
  /** Its arguments as given, the name it was called by first. */
  readonly argv: readonly [string, ...string[]];
}

/** Where execvp looks when there is no PATH (musl's list; glibc's is a part of it). */
const DEFAULT_PATH = "/usr/local/bin:/bin:/usr/bin";

/**
 * Finds the command that `args` name on `path`. Directories are skipped, an empty element means the working directory,
 * and a file that may not be executed counts only when no later one may. Throws `not_found` or `not_executable`.
 */
export function findCommand(
  args: readonly string[],
  path: string | undefined,
): Command {
  const [name, ...rest] = args[0] === "--" ? args.slice(1) : args;
  if (name === undefined || name === "") {
    throw new Failure("not_found", "no command was given");
  }
  const places = name.includes("/")
    ? [name]
    : (path ?? DEFAULT_PATH)
        .split(":")
        .map((directory) => `${directory === "" ? "." : directory}/${name}`);
  const found = places.map((file) => ({ file, kind: kindOf(file) }));
  const good = found.find(({ kind }) => kind === "executable");
  if (good !== undefined) {
    const missing = missingInterpreter(good.file);
    if (missing !== undefined) {
      throw new Failure(
        "not_found",
        `${quote(missing)}, the interpreter or loader that ${quote(good.file)} needs, is not in this image`,
      );
    }
    return { file: good.file, argv: [name, ...rest] };
  }
  const direct = name.includes("/");
  if (
    found.some(
      ({ kind }) => kind === "closed" || (direct && kind === "directory"),
    )
  ) {
    throw new Failure("not_executable", `${quote(name)} may not be executed`);
  }
  throw new Failure(
    "not_found",
    direct
      ? `there is no file ${quote(name)}`
      : `there is no command ${quote(name)} on PATH`,
  );
}

function kindOf(
  file: string,
): "executable" | "closed" | "directory" | "absent" {
  try {
    const facts = statSync(file);
    if (facts.isDirectory()) {
      return "directory";
    }
    accessSync(file, constants.X_OK);
    return facts.isFile() ? "executable" : "closed";
  } catch (error) {
    const code = systemCode(error);
    return code === "EACCES" || code === "EPERM" ? "closed" : "absent";
  }
}

/** A name for a message: quoted, without control characters, and not without end. */
export function quote(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}
