import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isNoticeRefusal, systemClock } from "@vaultbuddy/common";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ledgerContract } from "./contract.ts";
import { openSqliteLedger } from "./sqlite.ts";

ledgerContract("SQLite", async () => {
  const directory = mkdtempSync(join(tmpdir(), "vaultbuddy-ledger-"));
  return {
    open: async () =>
      openSqliteLedger(join(directory, "ledger.db"), systemClock),
    clear: async () => rmSync(directory, { recursive: true }),
  };
});

describe("the SQLite file", () => {
  let directory: string;
  let path: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "vaultbuddy-ledger-"));
    path = join(directory, "ledger.db");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test("is readable by its owner alone, its companions too", async () => {
    const ledger = openSqliteLedger(path, systemClock);
    await ledger.putIfAbsent("a", "open", "1");
    const files = readdirSync(directory);
    expect(files.toSorted()).toEqual([
      "ledger.db",
      "ledger.db-shm",
      "ledger.db-wal",
    ]);
    for (const file of files) {
      expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600);
    }
    await ledger.close();
  });

  test("that others could read is closed to them at the next start", async () => {
    await openSqliteLedger(path, systemClock).close();
    chmodSync(path, 0o644);
    await openSqliteLedger(path, systemClock).close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("keeps what was written when it is opened again", async () => {
    const before = openSqliteLedger(path, systemClock);
    const version = await before.putIfAbsent("a", "open", "1");
    await before.close();
    const after = openSqliteLedger(path, systemClock);
    expect(await after.read("a")).toEqual({ key: "a", value: "1", version });
    await after.close();
  });

  test("syncs every commit to the disk", async () => {
    await openSqliteLedger(path, systemClock).close();
    const database = new DatabaseSync(path);
    expect(database.prepare("PRAGMA journal_mode").get()).toEqual({
      journal_mode: "wal",
    });
    database.close();
  });

  test("without its directory is refused, and nothing is made", () => {
    const missing = join(directory, "no", "ledger.db");
    expectRefusal(() => openSqliteLedger(missing, systemClock), /directory/);
    expect(existsSync(join(directory, "no"))).toBe(false);
  });

  test("that is a directory is refused", () => {
    mkdirSync(path);
    expectRefusal(() => openSqliteLedger(path, systemClock), /made or written/);
  });

  test("that is no database is refused and left as it is", () => {
    writeFileSync(path, "not a database, but long enough to look at\n");
    expectRefusal(() => openSqliteLedger(path, systemClock), /database/);
  });

  test("of another program is refused", () => {
    const database = new DatabaseSync(path);
    database.exec("CREATE TABLE theirs (a)");
    database.close();
    expectRefusal(() => openSqliteLedger(path, systemClock), /another program/);
    expect(existsSync(`${path}-wal`)).toBe(false);
  });

  test("of another program that marks its files is refused and not switched to WAL", () => {
    const database = new DatabaseSync(path);
    database.exec("PRAGMA application_id = 7");
    database.close();
    expectRefusal(() => openSqliteLedger(path, systemClock), /another program/);
    const again = new DatabaseSync(path);
    expect(again.prepare("PRAGMA journal_mode").get()).toEqual({
      journal_mode: "delete",
    });
    again.close();
  });

  test("of another version is refused", async () => {
    await openSqliteLedger(path, systemClock).close();
    const database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 2");
    database.close();
    expectRefusal(() => openSqliteLedger(path, systemClock), /another version/);
  });

  test("that somebody else has locked for too long is ledger_unavailable, without the library's text", async () => {
    const ledger = openSqliteLedger(path, systemClock);
    const database = new DatabaseSync(path);
    database.exec("BEGIN IMMEDIATE");
    const failure = await ledger
      .putIfAbsent("a", "open", "marked-value")
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "ledger_unavailable" });
    expect(String(failure)).not.toMatch(/locked|marked-value/);
    database.exec("ROLLBACK");
    expect(await ledger.putIfAbsent("a", "open", "1")).toBeDefined();
    database.close();
    await ledger.close();
  });

  test("that was closed is ledger_unavailable", async () => {
    const ledger = openSqliteLedger(path, systemClock);
    await ledger.close();
    await ledger.close();
    await expect(ledger.read("a")).rejects.toMatchObject({
      code: "ledger_unavailable",
    });
  });

  test("is made once by four processes that start together, and loses none of their writes", async () => {
    const module = new URL("sqlite.ts", import.meta.url).href;
    const common = import.meta.resolve("@vaultbuddy/common");
    const script = `
      const { openSqliteLedger } = await import(${JSON.stringify(module)});
      const { systemClock } = await import(${JSON.stringify(common)});
      const ledger = openSqliteLedger(process.argv[1], systemClock);
      for (let n = 0; n < 50; n += 1) {
        await ledger.putIfAbsent(process.argv[2] + n, "open", "x");
      }
      await ledger.close();`;
    const codes = await Promise.all(
      ["a", "b", "c", "d"].map(async (name) => {
        const child = spawn(
          process.execPath,
          ["--input-type=module", "-e", script, path, name],
          { stdio: ["ignore", "ignore", "inherit"] },
        );
        const [code] = await once(child, "exit");
        return code as unknown;
      }),
    );
    expect(codes).toEqual([0, 0, 0, 0]);
    const ledger = openSqliteLedger(path, systemClock);
    expect(await ledger.scan("open", "", 1000)).toHaveLength(200);
    await ledger.close();
  });
});

function expectRefusal(run: () => unknown, message: RegExp): void {
  let failure: unknown;
  try {
    run();
  } catch (error) {
    failure = error;
  }
  expect(isNoticeRefusal(failure)).toBe(true);
  expect(failure).toMatchObject({
    code: "ledger_unavailable",
    message: expect.stringMatching(message) as unknown,
  });
}
