// The embedded ledger: one SQLite file, for one broker or several on one machine. Every write is a statement of its own
// that is on the disk when it returns (WAL, synchronous=FULL), because a side effect in Vault follows it.
//
// Statements are run by run() and not by get() with RETURNING: an implicit transaction commits when the statement ends,
// and only run() reports a commit that failed.

import { randomBytes } from "node:crypto";
import { chmodSync, closeSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { SQLOutputValue, StatementSync } from "node:sqlite";
import { isNoticeRefusal } from "@vaultbuddy/common";
import type { Clock } from "@vaultbuddy/common";
import { ledgerUnavailable } from "./ledger.ts";
import type { Entry, Ledger, Shelf } from "./ledger.ts";

/** What marks a file as ours ("VBud"); 0 is a file nobody has marked yet. */
const APPLICATION_ID = 0x56427564;
const SCHEMA_VERSION = 1;
/** How long a write waits for another process's, in milliseconds. */
const BUSY_TIMEOUT = 1000;
/** Between two tries of it, in milliseconds, with as much again left to chance. */
const BUSY_PAUSE = 10;
/** What SQLite says to it (SQLITE_BUSY); the bits above tell why. */
const SQLITE_BUSY = 5;

const SCHEMA = `
  CREATE TABLE entries (
    key TEXT NOT NULL PRIMARY KEY,
    shelf TEXT NOT NULL,
    value TEXT NOT NULL,
    version TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX entries_by_shelf ON entries (shelf, key);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/**
 * Opens the file, and makes it when it is missing; its directory must exist. Throws a Refusal `ledger_unavailable` that
 * says what is wrong: no directory, no rights, somebody else's file, another version's file.
 */
export function openSqliteLedger(path: string, clock: Clock): Ledger {
  prepareFile(path);
  return guarded(
    `the ledger file ${path} cannot be opened as a database`,
    () => {
      const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT });
      try {
        prepareDatabase(database);
        // From here on it is waited without stopping the process: a backup that holds the file must not take /healthz,
        // the heartbeat and the stop with it.
        database.exec("PRAGMA busy_timeout = 0");
        return new SqliteLedger(database, path, clock);
      } catch (error) {
        database.close();
        throw error;
      }
    },
  );
}

/** The file holds accessors of live tokens: nobody but the broker's user may read it. SQLite gives its own two the same mode. */
function prepareFile(path: string): void {
  if (
    statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory() !== true
  ) {
    throw ledgerUnavailable(
      `the directory of the ledger file ${path} does not exist`,
    );
  }
  guarded(`the ledger file ${path} cannot be made or written`, () => {
    closeSync(openSync(path, "a", 0o600));
    chmodSync(path, 0o600);
  });
}

function prepareDatabase(database: DatabaseSync): void {
  // Looked at before anything is changed: a stranger's database must not even be switched to WAL.
  transaction(database, "BEGIN", () => isNew(database));
  database.exec("PRAGMA trusted_schema = OFF");
  const mode = database.prepare("PRAGMA journal_mode = WAL").get();
  database.exec("PRAGMA synchronous = FULL");
  if (mode?.["journal_mode"] !== "wal") {
    throw ledgerUnavailable(
      "the ledger file's place does not allow a write-ahead log; use a local disk",
    );
  }
  transaction(database, "BEGIN IMMEDIATE", () => {
    if (isNew(database)) {
      database.exec(SCHEMA);
    }
  });
}

/** Whether the file is empty. Throws a Refusal when it is neither empty nor ours. */
function isNew(database: DatabaseSync): boolean {
  const application = one(database, "PRAGMA application_id");
  const version = one(database, "PRAGMA user_version");
  const tables = one(database, "SELECT count(*) FROM sqlite_schema");
  if (application === 0 && version === 0 && tables === 0) {
    return true;
  }
  if (application !== APPLICATION_ID) {
    throw ledgerUnavailable("the ledger file is another program's database");
  }
  if (version !== SCHEMA_VERSION) {
    throw ledgerUnavailable(
      "the ledger file was written by another version of the broker",
    );
  }
  return false;
}

function one(database: DatabaseSync, query: string): unknown {
  return Object.values(database.prepare(query).get() ?? {})[0];
}

function transaction(
  database: DatabaseSync,
  begin: "BEGIN" | "BEGIN IMMEDIATE",
  run: () => void,
): void {
  database.exec(begin);
  try {
    run();
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

class SqliteLedger implements Ledger {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #clock: Clock;
  /** Which file was opened. */
  readonly #file: string | undefined;
  readonly #read: StatementSync;
  readonly #put: StatementSync;
  readonly #swap: StatementSync;
  readonly #remove: StatementSync;
  readonly #scan: StatementSync;

  constructor(database: DatabaseSync, path: string, clock: Clock) {
    this.#database = database;
    this.#path = path;
    this.#clock = clock;
    this.#file = identityOf(path);
    this.#read = database.prepare(
      "SELECT key, value, version FROM entries WHERE key = ?",
    );
    this.#put = database.prepare(
      "INSERT INTO entries (key, shelf, value, version) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
    );
    this.#swap = database.prepare(
      "UPDATE entries SET shelf = ?, value = ?, version = ? WHERE key = ? AND version = ?",
    );
    this.#remove = database.prepare(
      "DELETE FROM entries WHERE key = ? AND version = ?",
    );
    this.#scan = database.prepare(
      "SELECT key, value, version FROM entries WHERE shelf = ? AND key > ? ORDER BY key LIMIT ?",
    );
  }

  async read(key: string): Promise<Entry | undefined> {
    return guarded("the ledger cannot be read", () => {
      const row = this.#read.get(key);
      return row === undefined ? undefined : entryOf(row);
    });
  }

  async putIfAbsent(
    key: string,
    shelf: Shelf,
    value: string,
  ): Promise<string | undefined> {
    const version = newVersion();
    const done = await this.#write(() =>
      this.#put.run(key, shelf, value, version),
    );
    return done ? version : undefined;
  }

  async compareAndSwap(
    key: string,
    version: string,
    shelf: Shelf,
    value: string,
  ): Promise<string | undefined> {
    const next = newVersion();
    const done = await this.#write(() =>
      this.#swap.run(shelf, value, next, key, version),
    );
    return done ? next : undefined;
  }

  async remove(key: string, version: string): Promise<boolean> {
    return await this.#write(() => this.#remove.run(key, version));
  }

  async scan(
    shelf: Shelf,
    after: string,
    limit: number,
  ): Promise<readonly Entry[]> {
    return guarded("the ledger cannot be read", () =>
      this.#scan.all(shelf, after, limit).map((row) => entryOf(row)),
    );
  }

  async close(): Promise<void> {
    guarded("the ledger file cannot be closed", () => {
      if (this.#database.isOpen) {
        this.#database.close();
      }
    });
  }

  async #write(
    run: () => { readonly changes: number | bigint },
  ): Promise<boolean> {
    const end = this.#clock.monotonic() + BUSY_TIMEOUT;
    for (;;) {
      const done = guarded("the ledger cannot be written", () => {
        this.#mustBeThere();
        try {
          return Number(run().changes) === 1;
        } catch (error) {
          if (isBusy(error) && this.#clock.monotonic() < end) {
            return undefined;
          }
          throw error;
        }
      });
      if (done !== undefined) {
        return done;
      }
      await this.#clock.sleep(BUSY_PAUSE * (1 + this.#clock.random()));
    }
  }

  /** A file that was removed takes every write and remembers none: whoever starts next would deliver all of it again. */
  #mustBeThere(): void {
    if (identityOf(this.#path) !== this.#file) {
      throw ledgerUnavailable(
        "the ledger file was removed or replaced under the running broker: put it back, or start the broker anew",
      );
    }
  }
}

function identityOf(path: string): string | undefined {
  const facts = statSync(path, { bigint: true, throwIfNoEntry: false });
  return facts && `${facts.dev}:${facts.ino}`;
}

function isBusy(error: unknown): boolean {
  const code: unknown =
    error instanceof Error ? Reflect.get(error, "errcode") : undefined;
  return typeof code === "number" && (code & 0xff) === SQLITE_BUSY;
}

/** Random rather than counted: a key that was removed and put again must not meet an old version. */
function newVersion(): string {
  return randomBytes(12).toString("base64url");
}

function entryOf(row: Record<string, SQLOutputValue>): Entry {
  const { key, value, version } = row;
  if (
    typeof key !== "string" ||
    typeof value !== "string" ||
    typeof version !== "string"
  ) {
    throw ledgerUnavailable("an entry of the ledger is damaged");
  }
  return { key, value, version };
}

/** The library's own text may quote what was written: it is never passed on. */
function guarded<Result>(sentence: string, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    throw isNoticeRefusal(error) ? error : ledgerUnavailable(sentence, error);
  }
}
