// One question to the stand-in for Vault as anybody may put it: with a token of one's own, or wrapped. Stories that set
// things up as root use the stack's admin instead.

import { openConnections, request } from "@vaultbuddy/common/daemon";
import type { Stack } from "@vaultbuddy/devstack";

interface Question {
  readonly token: string;
  readonly body?: unknown;
  /** Such as `60s`. */
  readonly wrapTtl?: string;
}

/** POSTs; answers the body, whatever the status. */
export async function askVault(
  stack: Stack,
  path: string,
  { token, body, wrapTtl }: Question,
): Promise<Record<string, unknown>> {
  const dispatcher = openConnections({ perOrigin: 1, connectTimeout: 5000 });
  try {
    const answer = await request({
      method: "POST",
      url: `${stack.vault.addr}/v1/${path}`,
      headers: {
        "X-Vault-Token": token,
        ...(wrapTtl === undefined ? {} : { "X-Vault-Wrap-TTL": wrapTtl }),
      },
      body: JSON.stringify(body ?? {}),
      timeout: 5000,
      maxBytes: 64 * 1024,
      dispatcher,
    });
    const text = answer.body.toString();
    return (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
  } finally {
    await dispatcher.destroy();
  }
}
