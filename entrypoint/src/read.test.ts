import { Secret } from "@vaultbuddy/common";
import { ManualClock } from "@vaultbuddy/common/testing";
import { expect, test } from "vitest";
import { readAll, renew } from "./read.ts";
import type { Content, Found, Mount, ReadPort } from "./read.ts";
import { opened } from "./testing.ts";
import type { Token } from "./unwrap.ts";

const token = opened as Token;
const found = <Value>(value: Value): Found<Value> => ({ kind: "found", value });
const silent = { kind: "silent" } as const;
const content: Content = {
  leased: false,
  values: new Map([["K", new Secret("v")]]),
};

/** Engines by their path, and answers to reads by the path of the API. */
class FakeVault implements ReadPort {
  readonly asked: string[] = [];
  readonly mounts = [
    { path: "secret/", versioned: true },
    { path: "kv1/", versioned: false },
    { path: "team/a/", versioned: true },
    { path: "team/b/", versioned: false },
  ];
  readonly answers = new Map<string, Found<Content>[]>();
  renewal: Found<number>[] = [];

  mountOf(_token: Secret, path: string): Promise<Found<Mount>> {
    this.asked.push(`mount ${path}`);
    const mount = this.mounts.find((one) => path.startsWith(one.path));
    return Promise.resolve(
      mount === undefined ? { kind: "refused", status: 403 } : found(mount),
    );
  }

  read(
    _token: Secret,
    path: string,
    versioned: boolean,
  ): Promise<Found<Content>> {
    this.asked.push(`read ${path}${versioned ? " versioned" : ""}`);
    return Promise.resolve(this.answers.get(path)?.shift() ?? found(content));
  }

  renew(_token: Secret, increment: number): Promise<Found<number>> {
    this.asked.push(`renew ${increment}`);
    return Promise.resolve(this.renewal.shift() ?? silent);
  }
}

const depsOf = (vault: FakeVault) => {
  const clock = new ManualClock();
  return {
    clock,
    deps: { vault, clock, signal: new AbortController().signal },
  };
};

test("each path is read once through its engine's API, and each engine asked for once", async () => {
  const vault = new FakeVault();
  const { deps } = depsOf(vault);
  const paths = [
    "secret/web",
    "secret/web",
    "secret/a/b",
    "kv1/db",
    "team/a/x",
    "team/b/y",
  ];
  const read = await readAll(token, paths, deps);
  expect([...read.keys()]).toEqual([
    "secret/web",
    "secret/a/b",
    "kv1/db",
    "team/a/x",
    "team/b/y",
  ]);
  expect(vault.asked.filter((ask) => ask.startsWith("mount"))).toEqual([
    "mount secret/web",
    "mount kv1/db",
    "mount team/a/x",
    "mount team/b/y",
  ]);
  expect(
    vault.asked.filter((ask) => ask.startsWith("read")).toSorted(),
  ).toEqual([
    "read kv1/db",
    "read secret/data/a/b versioned",
    "read secret/data/web versioned",
    "read team/a/data/x versioned",
    "read team/b/y",
  ]);
});

test("all refused paths are named at once, and refusals are not tried again", async () => {
  const vault = new FakeVault();
  vault.answers.set("kv1/a", [{ kind: "refused", status: 404 }]);
  const { deps } = depsOf(vault);
  await expect(
    readAll(token, ["kv1/a", "none/b", "kv1/c"], deps),
  ).rejects.toMatchObject({
    exit: "read_refused",
    message:
      'there is no secret at "kv1/a" (404); Vault refuses to read "none/b" (403)',
  });
  expect(vault.asked.filter((ask) => ask === "read kv1/a")).toHaveLength(1);
});

test("a read without an answer is tried three times, then given up", async () => {
  const vault = new FakeVault();
  vault.answers.set("kv1/a", [silent, silent, found(content)]);
  vault.answers.set("kv1/b", [silent, silent, silent, found(content)]);
  const { clock, deps } = depsOf(vault);
  const good = readAll(token, ["kv1/a"], deps);
  await clock.advance(2000);
  expect((await good).size).toBe(1);
  const bad = readAll(token, ["kv1/b"], deps);
  const outcome = expect(bad).rejects.toMatchObject({ exit: "read_failed" });
  await clock.advance(2000);
  await outcome;
});

test("when the time is over nothing is tried again", async () => {
  const vault = new FakeVault();
  vault.answers.set("kv1/a", [silent, silent]);
  const over = AbortSignal.abort(new Error("over"));
  const deps = { vault, clock: new ManualClock(), signal: over };
  await expect(readAll(token, ["kv1/a"], deps)).rejects.toMatchObject({
    exit: "read_failed",
  });
  expect(vault.asked.filter((ask) => ask === "read kv1/a")).toHaveLength(1);
});

test("a token is renewed to what was promised, unless it lives long enough or cannot be", async () => {
  const vault = new FakeVault();
  vault.renewal = [found(3600), { kind: "refused", status: 403 }];
  const { deps } = depsOf(vault);
  expect(await renew(token, 3600, deps)).toBe(true);
  expect(await renew(token, 3600, deps)).toBe(false);
  expect(await renew(token, 90, deps)).toBe(true);
  expect(await renew({ ...token, renewable: false }, 3600, deps)).toBe(true);
  expect(vault.asked).toEqual(["renew 3600", "renew 3600"]);
});
