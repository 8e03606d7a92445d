// What stories ask of Vault's own books, so that they judge by what happened and not by what a daemon says.

import { createHash } from "node:crypto";
import type { Stack } from "@vaultbuddy/devstack";

/** The accessors of all tokens minted for tasks so far, oldest first. */
export function mintedAccessors(stack: Stack): string[] {
  return stack.vault.audit.entries.flatMap((entry) =>
    entry.path.startsWith("auth/token/create/") &&
    entry.tokenAccessorCreated !== undefined
      ? [entry.tokenAccessorCreated]
      : [],
  );
}

/**
 * For the container of a story that looks at its token later: the app gets it. A token that nobody gets and on which
 * nothing hangs is ended before the app begins.
 */
export const keepsToken = { APP_TOKEN: "vault:login" } as const;

/** Whether a token lives, as Vault's root sees it. */
export async function lives(stack: Stack, accessor: string): Promise<boolean> {
  try {
    await stack.admin.ask("POST", "auth/token/lookup-accessor", { accessor });
    return true;
  } catch {
    return false;
  }
}

/** The accessors of minted tokens that live now. */
export async function living(stack: Stack): Promise<string[]> {
  const all = mintedAccessors(stack);
  const alive = await Promise.all(
    all.map((accessor) => lives(stack, accessor)),
  );
  return all.filter((_, index) => alive[index]);
}

/** As the sample app hashes the values of its variables. */
export function hashed(value: string): string {
  return createHash("sha256").update(value).digest("hex").slice(0, 16);
}
