// Step 6 of the entrypoint: it becomes the command. Same process, no parent left behind, and nothing of Node visible to
// the application: default signals, no descriptor but the three, stdio as it was.

import { Failure, systemCode } from "./exit.ts";
import type { Command } from "./find.ts";
import { quote } from "./find.ts";
import type { Watched } from "./supervise/watch.ts";

/** The parts of the process that are left as they were found. */
export interface Host {
  /** Replaces the process. Throws an error with `errno` when the kernel would not. */
  execve(
    file: string,
    argv: readonly string[],
    env: Record<string, string>,
  ): void;
  /** Gives a signal back the disposition it has in a fresh process. */
  resetSignal(name: NodeJS.Signals): void;
  /** Descriptors above 2 that the command would inherit. */
  inherited(): readonly number[];
  close(descriptor: number): void;
  /** Resolves when every signal that has come so far has been handled. */
  settle(): Promise<void>;
  /** There where the command is to be a child: starts it, and ends with it. `watched` is what may change meanwhile. */
  keep?(
    file: string,
    env: Record<string, string>,
    watched?: Watched,
  ): Promise<never>;
}

/** Node ignores these for itself, and an ignored signal stays ignored across execve. */
const IGNORED = ["SIGPIPE", "SIGXFSZ"] as const;

/**
 * The signals that end this process until then, by number: those that end any program that has no handler for them, of
 * which images choose the STOPSIGNAL of their command (nginx has SIGQUIT). The first process of a container is spared
 * them by the kernel, so that a stop would last until the kill. SIGUSR1 is heard as a bare script only, where it would
 * else open Node's inspector: in the bundle --disable-sigusr1 keeps it blocked. Not SIGWINCH (httpd's): a window that
 * changes its size sends it, too, through Docker's client even where there is no terminal. Not the real-time ones
 * (systemd's): Node cannot hear them. supervise.c hears all.
 */
export const ENDING = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGTERM: 15,
} as const;
const ENDING_NAMES = Object.keys(ENDING) as (keyof typeof ENDING)[];

const ENOENT = 2;
const E2BIG = 7;
const ENOEXEC = 8;

/**
 * Becomes the command; returns never. A signal that Node has taken and not yet handled would be lost with Node: so the
 * handlers stay to the last, and run once more before they go. Rejects with {@link Failure} `not_executable`, `not_found` (the interpreter that the file
 * names) or `environment` (all of it together is too large).
 */
export async function becomeCommand(
  command: Command,
  env: Record<string, string>,
  host: Host,
  watched?: Watched,
): Promise<never> {
  if (host.keep !== undefined) {
    return await host.keep(command.file, env, watched);
  }
  for (const descriptor of host.inherited()) {
    host.close(descriptor);
  }
  for (const name of IGNORED) {
    host.resetSignal(name);
  }
  // What is left of the moment in which a signal can still get lost is that between these two lines: microseconds.
  await host.settle();
  for (const name of ENDING_NAMES) {
    host.resetSignal(name);
  }
  const error = attempt(host, command.file, command.argv, env);
  // A script without "#!" is run by the shell, as execvp(3) has it.
  const last =
    errnoOf(error) === ENOEXEC
      ? attempt(
          host,
          "/bin/sh",
          ["/bin/sh", command.file, ...command.argv.slice(1)],
          env,
        )
      : error;
  throw explain(last, command.file);
}

/** What execve threw; when it succeeds there is nobody left to return to. */
function attempt(
  host: Host,
  file: string,
  argv: readonly string[],
  env: Record<string, string>,
): unknown {
  try {
    host.execve(file, argv, env);
  } catch (error) {
    return error;
  }
  return new Error("execve returned");
}

/** What an error of execve means. */
export function explain(error: unknown, file: string): Failure {
  switch (errnoOf(error)) {
    case ENOENT:
      return new Failure(
        "not_found",
        `the interpreter or loader that ${quote(file)} needs is not in this image`,
      );
    case E2BIG:
      return new Failure(
        "environment",
        "environment and arguments together are larger than the kernel takes",
      );
    default:
      return new Failure(
        "not_executable",
        `${quote(file)} cannot be executed (${systemCode(error)})`,
      );
  }
}

function errnoOf(error: unknown): unknown {
  return error instanceof Error ? Reflect.get(error, "errno") : undefined;
}
