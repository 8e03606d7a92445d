// The package's command as a user runs it, beside the containers of the bundle's stories.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Ran } from "./docker.ts";

const main = fileURLToPath(
  new URL("../../entrypoint/src/tools/main.ts", import.meta.url),
);

/** The same for a shell. */
export const toolCommand = `"${process.execPath}" -- "${main}"`;

/** A tool that was started. */
export interface Tool {
  readonly ended: Promise<Ran>;
  /** Resolves when stderr holds a text. */
  says(text: string): Promise<void>;
}

/** Starts `vaultbuddy-entrypoint ARGS…` with nothing else in its environment than what Docker's client needs, and `env`. */
export function startTool(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input = "",
): Tool {
  const { PATH = "", DOCKER_HOST } = process.env;
  const child = spawn(process.execPath, ["--", main, ...args], {
    env: {
      PATH,
      ...(DOCKER_HOST === undefined ? {} : { DOCKER_HOST }),
      ...env,
    },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: 120_000,
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) =>
      resolve({ code: code ?? -1, stdout, stderr }),
    );
  });
  return {
    ended,
    says: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (stderr.includes(text)) {
            resolve();
          }
        };
        child.stderr.on("data", look);
        look();
        void ended.then(() =>
          reject(new Error(`ended without saying ${text}: ${stderr}`)),
        );
      }),
  };
}

/** Runs it to its end. */
export function tool(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input = "",
): Promise<Ran> {
  return startTool(args, env, input).ended;
}
