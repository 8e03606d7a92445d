// A daemon as a process of its own, watched through what it prints: JSON lines, kept to a bound, and waited for by
// meaning instead of by time.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";

/** One line that a daemon printed. */
export interface LogLine {
  readonly text: string;
  /** The line's fields; empty for one that is no JSON. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface DaemonSpec {
  readonly name: string;
  /** The file to run with this Node. */
  readonly script: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const MOST_LINES = 100_000;
/** How long a daemon may take to stop before it is killed, in milliseconds. */
const STOP_MS = 30_000;

/** A running daemon. */
export class Daemon {
  readonly name: string;
  readonly lines: LogLine[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;
  readonly #listeners = new Set<() => void>();
  #rest = "";

  constructor(spec: DaemonSpec) {
    this.name = spec.name;
    this.#child = spawn(process.execPath, [spec.script, ...spec.args], {
      env: { PATH: process.env["PATH"] ?? "", ...spec.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream
        ?.setEncoding("utf8")
        .on("data", (chunk: string) => this.#take(chunk));
    }
    this.#ended = once(this.#child, "exit").then(([code, signal]) => {
      this.#take("\n");
      return typeof code === "number" ? code : endedBy(signal);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Everything it has printed. */
  get output(): string {
    return this.lines.map((line) => line.text).join("\n");
  }

  /**
   * The first line, from `from` on, that `wanted` accepts. Rejects when the daemon ends or `ms` pass before, with what it
   * printed last.
   */
  async line(
    wanted: (line: LogLine) => boolean,
    ms = 30_000,
    from = 0,
  ): Promise<LogLine> {
    const deadline = AbortSignal.timeout(ms);
    let next = from;
    for (;;) {
      for (; next < this.lines.length; next += 1) {
        const line = this.lines[next];
        if (line !== undefined && wanted(line)) {
          return line;
        }
      }
      if (deadline.aborted || !this.running) {
        const last = this.lines.slice(-15).map((line) => line.text);
        const why = this.running
          ? `said nothing of the kind in ${ms} ms`
          : "has ended";
        throw new Error(
          `${this.name} ${why}; its last lines:\n${last.join("\n")}`,
        );
      }
      await this.#more(deadline);
    }
  }

  /** The first line with this message. */
  async said(message: string, ms?: number, from?: number): Promise<LogLine> {
    return await this.line((line) => line.fields["msg"] === message, ms, from);
  }

  /** Its exit code, once it has ended; 128 and the number for a signal. */
  exit(): Promise<number> {
    return this.#ended;
  }

  /** Asks it to stop; answers its exit code. */
  async stop(): Promise<number> {
    this.#child.kill("SIGTERM");
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    const code = await this.#ended;
    clearTimeout(killer);
    return code;
  }

  /** Ends it as a power failure would. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  /** Stops or continues its being scheduled, as a machine that stalls would. */
  freeze(frozen: boolean): void {
    this.#child.kill(frozen ? "SIGSTOP" : "SIGCONT");
  }

  #take(chunk: string): void {
    const parts = `${this.#rest}${chunk}`.split("\n");
    this.#rest = parts.pop() ?? "";
    for (const text of parts) {
      if (text !== "" && this.lines.length < MOST_LINES) {
        this.lines.push({ text, fields: fieldsOf(text) });
      }
    }
    for (const listener of this.#listeners) {
      listener();
    }
  }

  #more(deadline: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#listeners.delete(done);
        deadline.removeEventListener("abort", done);
        resolve();
      };
      this.#listeners.add(done);
      deadline.addEventListener("abort", done, { once: true });
      // The end is heard like one more line.
    });
  }
}

/** As a shell tells it: 128 and the signal's number. */
function endedBy(signal: unknown): number {
  const known = Object.entries(constants.signals).find(
    ([name]) => name === signal,
  );
  return 128 + (known?.[1] ?? 0);
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
