// What runs in a container: a process of this machine. The other kind, a listener inside the engine, is in receiver.ts.

import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { kill } from "node:process";
import type { Command } from "./command.ts";
import { ApiFault } from "./fault.ts";
import type { LogStream } from "./logs.ts";

/** Something that runs until it ends. */
export interface Workload {
  readonly pid: number;
  /** No error when it has ended meanwhile. */
  signal(signal: number): void;
  /** The exit code as a shell shows it: 128 + n for a signal. Never rejects. */
  readonly ended: Promise<number>;
}

export type Output = (stream: LogStream, chunk: Buffer) => void;

/** How processes are started. */
export interface Spawning {
  /** `setpriv`, where the system has it: it lets processes end with the engine, however that ends. */
  readonly setpriv: string | undefined;
}

/** After a process's end its last output may still be in the pipe; somebody else may hold the pipe open. */
const outputGraceMs = 500;

/** Starts it; resolves when it runs. Throws a fault when the system refuses. */
export async function startProcess(
  command: Command,
  { setpriv }: Spawning,
  output: Output,
): Promise<Workload> {
  const [file, args] =
    setpriv === undefined
      ? [command.file, command.args]
      : [setpriv, ["--pdeathsig", "KILL", "--", command.file, ...command.args]];
  const child = spawn(file, args, {
    ...(setpriv === undefined && { argv0: command.argv0 }),
    cwd: command.cwd,
    env: { ...command.env },
    // A group of its own, so that what it leaves behind goes with it, as with a container's process 1.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.on("data", (chunk: Buffer) => output(1, chunk));
  child.stderr.on("data", (chunk: Buffer) => output(2, chunk));
  const ended = endOf(child);
  await spawned(child);
  const { pid = 0 } = child;
  return { pid, ended, signal: (signal) => send(pid, signal) };
}

function spawned(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        new ApiFault(
          400,
          `failed to create shim task: the system does not start the process: ${error.code ?? "failed"}`,
        ),
      );
    });
  });
}

function endOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once("error", () => resolve(127));
    child.once("exit", (code, signal) => {
      if (child.pid !== undefined) send(-child.pid, constants.signals.SIGKILL);
      const status =
        code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
      const late = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, outputGraceMs);
      child.once("close", () => {
        clearTimeout(late);
        resolve(status);
      });
    });
  });
}

/** To a process, or with a negative number to a group. */
function send(pid: number, signal: number): void {
  try {
    kill(pid, signal);
  } catch (error) {
    const gone =
      error instanceof Error && "code" in error && error.code === "ESRCH";
    if (!gone) throw error;
  }
}

/** A signal's number by name (`TERM`, `SIGTERM`) or number. Throws the fault for what is none. */
export function signalNumber(text: string): number {
  const name = text.toUpperCase().replace(/^(?!SIG)/, "SIG");
  const named = Object.entries(constants.signals).find(
    ([known]) => known === name,
  )?.[1];
  const number = /^\d{1,2}$/.test(text) ? Number(text) : named;
  if (number === undefined || number < 1 || number > 64)
    throw new ApiFault(400, `Invalid signal: ${text.slice(0, 40)}`);
  return number;
}
