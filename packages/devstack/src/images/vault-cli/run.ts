// Carries out one command of the stand-in for the vault CLI: asks, prints what was asked for, and says how it went.

import { request } from "@vaultbuddy/common/daemon";
import { Agent } from "undici";
import type { Asked } from "./command.ts";

/** What goes to the standard streams, and the exit code. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** Exit codes are the CLI's own: 0 done, 2 refused or sealed, 1 no answer. */
export async function carryOut(
  asked: Asked,
  addr: string,
  token: string | undefined,
): Promise<Outcome> {
  const dispatcher = new Agent();
  try {
    const answer = await request({
      method: asked.method,
      url: `${addr}/v1/${asked.path}`,
      ...(token !== undefined && { headers: { "X-Vault-Token": token } }),
      ...(asked.body !== undefined && { body: JSON.stringify(asked.body) }),
      timeout: 10_000,
      maxBytes: 1024 * 1024,
      dispatcher,
    });
    const body = answer.body.toString();
    if (answer.status >= 400) {
      const stderr = `Error: Vault answered ${answer.status} to ${asked.method} ${asked.path}\n`;
      return { stdout: "", stderr, code: 2 };
    }
    return successful(asked, body === "" ? {} : JSON.parse(body));
  } catch (error) {
    const code: unknown = Reflect.get(Object(error), "code");
    return {
      stdout: "",
      stderr: `Error: ${addr} does not answer (${String(code)})\n`,
      code: 1,
    };
  } finally {
    await dispatcher.close();
  }
}

function successful(asked: Asked, answer: unknown): Outcome {
  if (asked.success === "unsealed") {
    const sealed = member(answer, "sealed");
    return {
      stdout: `Sealed ${String(sealed)}\n`,
      stderr: "",
      code: sealed === false ? 0 : 2,
    };
  }
  if (asked.field === undefined) {
    const stdout = asked.done === undefined ? "" : `${asked.done}\n`;
    return { stdout, stderr: "", code: 0 };
  }
  const value = member(member(answer, "data"), asked.field);
  // As the CLI does it: no line end, so that the value can go into a file as it is.
  return value === undefined
    ? {
        stdout: "",
        stderr: `Field ${JSON.stringify(asked.field)} not present in secret\n`,
        code: 1,
      }
    : { stdout: printed(value), stderr: "", code: 0 };
}

function printed(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? Reflect.get(value, name)
    : undefined;
}
