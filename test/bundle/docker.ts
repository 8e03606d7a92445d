// The docker client, as far as the bundle's stories need it. Output is taken as latin1: one character for each byte.

import { execFile, execFileSync } from "node:child_process";

/** How a program ended and what it wrote. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const most = 64 * 1024 * 1024;

/** Runs docker, or another program; a code other than 0 is an answer, too. */
export function run(file: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve, reject) => {
    execFile(
      file,
      args,
      { encoding: "latin1", maxBuffer: most, timeout: 120_000 },
      (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== "number") {
          reject(error);
        } else {
          resolve({ code: Number(error?.code ?? 0), stdout, stderr });
        }
      },
    );
  });
}

/** The same, where anything but success is a fault of the test itself. */
export async function must(
  file: string,
  args: readonly string[],
): Promise<string> {
  const { code, stdout, stderr } = await run(file, args);
  if (code !== 0) {
    throw new Error(`${file} ${args.join(" ")} ended with ${code}: ${stderr}`);
  }
  return stdout.trim();
}

/** Whether a program is on this machine. */
export function has(file: string): boolean {
  try {
    execFileSync("sh", ["-c", 'command -v -- "$1"', "sh", file]);
    return true;
  } catch {
    return false;
  }
}

/** A command line in words. */
export function words(text: string): string[] {
  return text.split(" ");
}
