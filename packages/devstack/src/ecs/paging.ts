// maxResults and nextToken of ECS's list actions.

import { invalidParameter } from "./aws-error.ts";
import type { Input } from "./input.ts";

const most = 100;

/** The asked-for page of `all`. A token is the offset of the next item, wrapped so that nobody builds his own. */
export function page<T>(
  all: readonly T[],
  input: Input,
): { items: T[]; nextToken?: string } {
  const size = input.integer("maxResults") ?? most;
  if (size < 1 || size > most)
    throw invalidParameter(`maxResults must be between 1 and ${most}.`);
  const from = offsetOf(input.string("nextToken"));
  const items = all.slice(from, from + size);
  const next = from + items.length;
  return { items, ...(next < all.length && { nextToken: tokenFor(next) }) };
}

function tokenFor(offset: number): string {
  return Buffer.from(`offset:${offset}`).toString("base64url");
}

function offsetOf(token: string | undefined): number {
  if (token === undefined) return 0;
  const offset = /^offset:(\d+)$/.exec(
    Buffer.from(token, "base64url").toString("latin1"),
  )?.[1];
  if (offset === undefined) throw invalidParameter("Invalid token.");
  return Number(offset);
}
