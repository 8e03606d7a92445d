// The port to the store of claims: put-if-absent, compare-and-swap and a scan, so that SQLite, etcd and DynamoDB can
// stand behind it alike. The store knows keys and text; what the text means is the business of claim/.

import { Refusal } from "@vaultbuddy/common";

/**
 * Where an entry is found again by a scan: claims that somebody must bring to an end, claims that have one, and the
 * heartbeats of owners.
 */
export type Shelf = "open" | "settled" | "owner";

/** One stored entry. `version` is opaque and never repeats for a key, not even after the key was removed. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly version: string;
}

/**
 * A store of claims. Every method rejects with a Refusal `ledger_unavailable`, and with nothing else; a write that
 * rejects may nevertheless have happened, or happen later. What a write resolved to is durable and seen by every reader.
 */
export interface Ledger {
  read(key: string): Promise<Entry | undefined>;
  /** The new entry's version; undefined when the key is taken. */
  putIfAbsent(
    key: string,
    shelf: Shelf,
    value: string,
  ): Promise<string | undefined>;
  /** The new version; undefined when the entry is gone or has another version by now. */
  compareAndSwap(
    key: string,
    version: string,
    shelf: Shelf,
    value: string,
  ): Promise<string | undefined>;
  /** Whether the entry was there in this version and is gone now. */
  remove(key: string, version: string): Promise<boolean>;
  /** At most `limit` entries of a shelf in the order of their keys, from the first after `after` ("" is the start). */
  scan(shelf: Shelf, after: string, limit: number): Promise<readonly Entry[]>;
  close(): Promise<void>;
}

/** The one failure of a ledger. `message` is sent to strangers; the cause is only ever logged by its name and code. */
export function ledgerUnavailable(
  message: string,
  cause?: unknown,
): Refusal<"ledger_unavailable"> {
  return new Refusal(
    "ledger_unavailable",
    message,
    cause === undefined ? {} : { cause },
  );
}
