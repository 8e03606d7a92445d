import { Secret } from "@vaultbuddy/common";
import { ManualClock } from "@vaultbuddy/common/testing";
import { expect, test } from "vitest";
import type { Found } from "../found.ts";
import type { Mount } from "../mounts.ts";
import { readAll } from "../read.ts";
import type { Answers, Content, ReadAsk } from "../read.ts";
import { sourceId } from "../reference.ts";
import type { Source } from "../reference.ts";
import { FakeLog, opened } from "../testing.ts";
import type { Token } from "../unwrap.ts";
import type { OnChange } from "./settings.ts";
import { VaultWatch } from "./watch.ts";
import type { LeasePort, Watched } from "./watch.ts";

const found = <Value>(value: Value): Found<Value> => ({ kind: "found", value });
const refused = { kind: "refused", status: 403 } as const;
const kv: Source = { kind: "read", path: "secret/db" };
const leased: Source = { kind: "read", path: "db/creds" };
const MINUTE = 60_000;

/** A Vault with a KV engine at secret/ and another that leases for a minute. */
class FakeVault implements LeasePort {
  readonly reads: string[] = [];
  values: Record<string, string> = { password: "one", other: "1" };
  gone = false;
  made = 0;
  renewals = 0;
  leaseRenewals: Found<number> = found(60);
  tokenRenewals: Found<number> = found(3600);

  mountOf(_token: Secret, path: string): Promise<Found<Mount>> {
    const stable = path.startsWith("secret/");
    const mount = stable ? "secret/" : "db/";
    return Promise.resolve(found({ path: mount, versioned: stable, stable }));
  }

  read(_token: Secret, { path }: ReadAsk): Promise<Found<Content>> {
    this.reads.push(path);
    if (this.gone) {
      return Promise.resolve(refused);
    }
    if (path !== "db/creds") {
      const all = Object.entries(this.values).map(
        ([key, value]) => [key, new Secret(value)] as const,
      );
      return Promise.resolve(found({ leased: false, values: new Map(all) }));
    }
    this.made += 1;
    return Promise.resolve(
      found({
        leased: true,
        lease: { id: `db/creds/${this.made}`, seconds: 60, renewable: true },
        values: new Map([["user", new Secret(`u-${this.made}`)]]),
      }),
    );
  }

  write(): Promise<Found<Content>> {
    throw new Error("nothing is written here");
  }

  decrypt(): Promise<Found<readonly Secret[]>> {
    throw new Error("nothing is decrypted here");
  }

  renew(): Promise<Found<number>> {
    return Promise.resolve(this.tokenRenewals);
  }

  renewLease(): Promise<Found<number>> {
    this.renewals += 1;
    return Promise.resolve(this.leaseRenewals);
  }
}

interface Wanted {
  readonly sources?: readonly Source[];
  readonly onChange?: OnChange;
  readonly withFiles?: boolean;
}

/** A watch over variables PASSWORD and USER; with files, over one that holds the first. */
async function watching({
  sources = [kv],
  onChange = "restart",
  withFiles = false,
}: Wanted = {}) {
  const [vault, clock, log] = [
    new FakeVault(),
    new ManualClock(),
    new FakeLog(),
  ];
  const token = { ...opened, ttl: 3600 } as Token;
  const needs = { sources, ciphertexts: [] };
  const signal = new AbortController().signal;
  const answers = await readAll(token, needs, { vault, clock, signal });
  const valueOf = (from: Answers, source: Source, key: string) =>
    from.contents.get(sourceId(source))?.values.get(key)?.expose() ?? "";
  const written: string[] = [];
  const files = (from: Answers) =>
    withFiles ? [valueOf(from, kv, "password")] : [];
  const watched: Watched = {
    vault,
    token,
    life: 3600,
    tokenTtl: 3600,
    gives: false,
    needs,
    answers,
    environment: (from) => ({
      PASSWORD: withFiles ? "" : valueOf(from, kv, "password"),
      USER: valueOf(from, leased, "user"),
    }),
    files,
    write: (from) => written.push(files(from).join()),
    end: () => Promise.resolve(void written.push("ended")),
  };
  const watch = new VaultWatch(watched, {
    clock,
    log,
    settings: { onChange, poll: 5 * MINUTE },
  });
  const seen: unknown[] = [];
  const follow = async (): Promise<void> => {
    for (;;) {
      seen.push(await watch.next());
    }
  };
  void follow().catch((error: unknown) => seen.push(error));
  return { vault, clock, log, watch, seen, written };
}

const kvReads = (vault: FakeVault): number =>
  vault.reads.filter((path) => path.startsWith("secret/")).length;

test("what stands in KV is read anew from time to time, and only what the command is given counts", async () => {
  const { vault, clock, seen } = await watching();
  await clock.advance(4 * MINUTE);
  expect(kvReads(vault)).toBe(1);
  vault.values = { password: "one", other: "2" };
  await clock.advance(30 * MINUTE);
  expect(kvReads(vault)).toBe(8);
  expect(seen).toEqual([]);
  vault.values = { password: "two" };
  await clock.advance(5 * MINUTE);
  expect(seen).toEqual([{ PASSWORD: "two", USER: "" }]);
  await clock.advance(30 * MINUTE);
  expect(seen.length).toBe(1);
});

test("a secret that is gone leaves the command what it has, and is told", async () => {
  const { vault, clock, log, seen } = await watching();
  vault.gone = true;
  await clock.advance(5 * MINUTE);
  expect(seen).toEqual([]);
  expect(log.lines.map(({ level }) => level)).toEqual(["warn"]);
  expect(JSON.stringify(log.lines)).toContain("secret/db");
  vault.gone = false;
  vault.values = { password: "two" };
  await clock.advance(5 * MINUTE);
  expect(seen.length).toBe(1);
});

test("a lease is renewed, and replaced by another when it cannot be", async () => {
  const { vault, clock, seen } = await watching({ sources: [kv, leased] });
  await clock.advance(20 * MINUTE);
  expect([vault.renewals, vault.made]).toEqual([30, 1]);
  vault.leaseRenewals = refused;
  await clock.advance(MINUTE);
  expect(vault.made).toBe(2);
  expect(seen).toEqual([{ PASSWORD: "one", USER: "u-2" }]);
  vault.leaseRenewals = found(60);
  await clock.advance(20 * MINUTE);
  expect(vault.made).toBe(2);
});

test("another lease is asked for, with pauses, until there is one", async () => {
  const { vault, clock, seen } = await watching({ sources: [leased] });
  vault.leaseRenewals = refused;
  vault.gone = true;
  await clock.advance(3 * MINUTE);
  expect(seen).toEqual([]);
  expect(vault.reads.length).toBeLessThan(12);
  vault.gone = false;
  await clock.advance(MINUTE);
  expect(seen.at(-1)).toEqual({ PASSWORD: "", USER: "u-2" });
});

test("files are written anew when what they hold has changed, also where nothing else is done", async () => {
  for (const onChange of ["restart", "none", 1] as const) {
    const { vault, clock, seen, written } = await watching({
      withFiles: true,
      onChange,
    });
    await clock.advance(6 * MINUTE);
    expect(written).toEqual([]);
    vault.values = { password: "two" };
    await clock.advance(6 * MINUTE);
    expect(written).toEqual(["two"]);
    expect(seen).toEqual([{ PASSWORD: "", USER: "" }]);
  }
});

test("where nothing would come of it, nothing is read anew", async () => {
  const { vault, clock, log } = await watching({
    sources: [kv, leased],
    onChange: "none",
  });
  vault.leaseRenewals = refused;
  await clock.advance(20 * MINUTE);
  expect(vault.reads.length).toBe(2);
  expect(log.lines.map(({ level }) => level)).toEqual(["warn"]);
});

test("a token that cannot be renewed is the end where leases hang on it, else of watching", async () => {
  const bound = await watching({ sources: [kv, leased] });
  bound.vault.tokenRenewals = refused;
  await bound.clock.advance(41 * MINUTE);
  expect(bound.seen).toMatchObject([{ exit: "renew_failed" }]);
  expect(bound.clock.sleeping).toBe(0);
  const free = await watching();
  free.vault.tokenRenewals = refused;
  await free.clock.advance(41 * MINUTE);
  expect(free.seen).toEqual([]);
  expect(free.log.lines.map(({ level }) => level)).toEqual(["warn"]);
  expect(free.clock.sleeping).toBe(0);
});

test("when the command has ended nothing goes on, and the token is ended", async () => {
  const { vault, clock, watch, written } = await watching({
    sources: [kv, leased],
  });
  await watch.end();
  await clock.advance(60 * MINUTE);
  expect(written).toEqual(["ended"]);
  expect([vault.renewals, vault.reads.length, clock.sleeping]).toEqual([
    0, 2, 0,
  ]);
});
