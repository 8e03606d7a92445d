// A ledger in memory, for tests only: it forgets on restart, and a broker that forgets gives a second token.

import type { Entry, Ledger, Shelf } from "./ledger.ts";

interface Row extends Entry {
  readonly shelf: Shelf;
}

/** Entries in a map. */
export class MemoryLedger implements Ledger {
  readonly #rows = new Map<string, Row>();
  #writes = 0;

  async read(key: string): Promise<Entry | undefined> {
    const row = this.#rows.get(key);
    return row === undefined ? undefined : entryOf(row);
  }

  async putIfAbsent(
    key: string,
    shelf: Shelf,
    value: string,
  ): Promise<string | undefined> {
    return this.#rows.has(key) ? undefined : this.#write(key, shelf, value);
  }

  async compareAndSwap(
    key: string,
    version: string,
    shelf: Shelf,
    value: string,
  ): Promise<string | undefined> {
    return this.#rows.get(key)?.version === version
      ? this.#write(key, shelf, value)
      : undefined;
  }

  async remove(key: string, version: string): Promise<boolean> {
    return this.#rows.get(key)?.version === version && this.#rows.delete(key);
  }

  async scan(
    shelf: Shelf,
    after: string,
    limit: number,
  ): Promise<readonly Entry[]> {
    return [...this.#rows.values()]
      .filter((row) => row.shelf === shelf && row.key > after)
      .toSorted((a, b) => (a.key < b.key ? -1 : 1))
      .slice(0, limit)
      .map((row) => entryOf(row));
  }

  async close(): Promise<void> {
    this.#rows.clear();
  }

  #write(key: string, shelf: Shelf, value: string): string {
    this.#writes += 1;
    const version = `v${this.#writes}`;
    this.#rows.set(key, { key, shelf, value, version });
    return version;
  }
}

function entryOf({ key, value, version }: Row): Entry {
  return { key, value, version };
}
