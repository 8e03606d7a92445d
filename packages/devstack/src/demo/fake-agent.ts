// What somebody gains who can reach the broker and pretends to be an agent: a look at what it answers.

import { request } from "@vaultbuddy/common/daemon";
import { Agent } from "undici";

/** One try. */
export interface Try {
  readonly what: string;
  readonly notice: Readonly<Record<string, string>>;
}

/** Sends the notices one after the other and tells what each got. */
export async function tryAsFakeAgent(
  broker: string,
  tries: readonly Try[],
): Promise<string[]> {
  const dispatcher = new Agent();
  const told: string[] = [];
  for (const { what, notice } of tries) {
    const answer = await request({
      method: "POST",
      url: `${broker}/v1/notify`,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(notice),
      timeout: 30_000,
      maxBytes: 64 * 1024,
      dispatcher,
    });
    told.push(`${what}: ${answer.status} ${codeOf(answer.body)}`);
  }
  await dispatcher.close();
  return told;
}

function codeOf(body: Buffer): string {
  const value: unknown = JSON.parse(body.toString());
  if (typeof value !== "object" || value === null) {
    return "?";
  }
  return `${String(Reflect.get(value, "code") ?? Reflect.get(value, "outcome"))} (${String(Reflect.get(value, "detail") ?? "")})`;
}
