// The ledger as claims see it: records instead of text, and writes whose outcome is known. A write that failed is looked
// up again before anybody acts on it, because its answer may be all that was lost.

import { ledgerUnavailable } from "../ledger/ledger.ts";
import type { Entry, Ledger } from "../ledger/ledger.ts";
import { keyOf, readRecord, shelfOf, writeRecord } from "./record.ts";
import type { ClaimRecord } from "./record.ts";

/** A record as it stood when it was read or written. */
export interface Page<Content extends ClaimRecord = ClaimRecord> {
  readonly key: string;
  readonly record: Content;
  readonly version: string;
}

/** A stretch of a scan. */
export interface Stretch {
  readonly pages: readonly Page[];
  /** How many records could not be read. */
  readonly damaged: number;
  /** Where the next stretch begins; undefined at the end of the shelf. */
  readonly next: string | undefined;
}

/** Somebody else has changed the record: whoever gets this no longer owns the claim and stops. */
export class ClaimLost extends Error {
  override readonly name = "ClaimLost";
  /** Tells the log that the message is our own text. */
  readonly ours = true;

  constructor() {
    super("another broker has taken the claim over");
  }
}

/** Reads and writes records. */
export class Book {
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  async read(key: string): Promise<Page | undefined> {
    const entry = await this.#ledger.read(key);
    return entry === undefined ? undefined : pageOf(entry);
  }

  /** Writes the first record of a container. Throws {@link ClaimLost} when there is one already. */
  async create<Content extends ClaimRecord>(
    record: Content,
  ): Promise<Page<Content>> {
    const key = keyOf(record);
    const text = textOf(key, record);
    const version = await this.#certain(key, text, undefined, () =>
      this.#ledger.putIfAbsent(key, shelfOf(record), text),
    );
    return { key, record, version };
  }

  /** Writes the record that follows. Throws {@link ClaimLost} when the page is no longer the last. */
  async write<Content extends ClaimRecord>(
    page: Page,
    record: Content,
  ): Promise<Page<Content>> {
    const text = textOf(page.key, record);
    const version = await this.#certain(page.key, text, page.version, () =>
      this.#ledger.compareAndSwap(
        page.key,
        page.version,
        shelfOf(record),
        text,
      ),
    );
    return { key: page.key, record, version };
  }

  /** Whether the record was still the same, and is forgotten now. */
  forget(page: Page): Promise<boolean> {
    return this.#ledger.remove(page.key, page.version);
  }

  async scan(
    shelf: "open" | "settled",
    after: string,
    limit: number,
  ): Promise<Stretch> {
    const entries = await this.#ledger.scan(shelf, after, limit);
    const pages = entries.flatMap((entry) => {
      try {
        return [pageOf(entry)];
      } catch {
        return [];
      }
    });
    return {
      pages,
      damaged: entries.length - pages.length,
      next: entries.length < limit ? undefined : entries.at(-1)?.key,
    };
  }

  async #certain(
    key: string,
    text: string,
    before: string | undefined,
    write: () => Promise<string | undefined>,
  ): Promise<string> {
    let failure: unknown;
    try {
      const version = await write();
      if (version !== undefined) {
        return version;
      }
    } catch (error) {
      failure = error;
    }
    const found = await this.#ledger.read(key).catch((error: unknown) => {
      throw failure ?? error;
    });
    // No two writes have the same text: each names its owner, its delivery and its state.
    if (found?.value === text) {
      return found.version;
    }
    if (failure !== undefined && found?.version === before) {
      throw ledgerUnavailable("the ledger cannot be written", failure);
    }
    throw new ClaimLost();
  }
}

/** Read back before it is written: a record that nobody can read would hold its container for ever. */
function textOf(key: string, record: ClaimRecord): string {
  const value = writeRecord(record);
  readRecord({ key, value, version: "" });
  return value;
}

function pageOf(entry: Entry): Page {
  return { key: entry.key, record: readRecord(entry), version: entry.version };
}
