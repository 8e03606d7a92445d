import { Secret } from "@vaultbuddy/common";
import { ManualClock } from "@vaultbuddy/common/testing";
import { expect, test } from "vitest";
import type { Found } from "./found.ts";
import type { Mount } from "./mounts.ts";
import { readAll, renew } from "./read.ts";
import type { Content, ReadAsk, ReadDeps, ReadPort } from "./read.ts";
import { parseValue } from "./reference.ts";
import type { Source } from "./reference.ts";
import { opened } from "./testing.ts";
import type { Token } from "./unwrap.ts";

const token = opened as Token;
const found = <Value>(value: Value): Found<Value> => ({ kind: "found", value });
const silent = { kind: "silent" } as const;
const lost = { kind: "silent", lost: true } as const;
const content: Content = {
  leased: false,
  values: new Map([["K", new Secret("v")]]),
};

/** Engines by their path, and answers to reads by the path of the API. */
class FakeVault implements ReadPort {
  readonly asked: string[] = [];
  readonly mounts = [
    { path: "secret/", versioned: true, stable: true },
    { path: "kv1/", versioned: false, stable: true },
    { path: "team/a/", versioned: true, stable: true },
    { path: "team/b/", versioned: false, stable: true },
    { path: "database/", versioned: false, stable: false },
  ];
  readonly answers = new Map<string, Found<Content>[]>();
  readonly texts: Found<(Secret | undefined)[]>[] = [];
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
    { path, versioned, version }: ReadAsk,
  ): Promise<Found<Content>> {
    const shown = version === undefined ? path : `${path}?${version}`;
    this.asked.push(`read ${shown}${versioned ? " versioned" : ""}`);
    return Promise.resolve(this.answers.get(path)?.shift() ?? found(content));
  }

  write(
    _token: Secret,
    path: string,
    parameters: string,
  ): Promise<Found<Content>> {
    this.asked.push(`write ${path} ${parameters}`);
    return Promise.resolve(this.answers.get(path)?.shift() ?? found(content));
  }

  decrypt(
    _token: Secret,
    path: string,
    ciphertexts: readonly string[],
  ): Promise<Found<readonly (Secret | undefined)[]>> {
    this.asked.push(`decrypt ${path} ${ciphertexts.join(" ")}`);
    return Promise.resolve(
      this.texts.shift() ?? found(ciphertexts.map((one) => new Secret(one))),
    );
  }

  renew(_token: Secret, increment: number): Promise<Found<number>> {
    this.asked.push(`renew ${increment}`);
    return Promise.resolve(this.renewal.shift() ?? silent);
  }
}

const readPaths = async (paths: readonly (string | Source)[], deps: ReadDeps) =>
  readAll(
    token,
    {
      sources: paths.map((path) =>
        typeof path === "string" ? { kind: "read", path } : path,
      ),
      ciphertexts: [],
    },
    deps,
  );
const referred = (value: string): Source => {
  const [part] = parseValue(value) ?? [];
  if (typeof part !== "object" || part.kind !== "key") {
    throw new Error("no key");
  }
  return part.source;
};

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
  const read = await readPaths(paths, deps);
  expect(
    [...read.contents.keys()].map((id) => (JSON.parse(id) as Source).path),
  ).toEqual(["secret/web", "secret/a/b", "kv1/db", "team/a/x", "team/b/y"]);
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
    readPaths(["kv1/a", "none/b", "kv1/c"], deps),
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
  const good = readPaths(["kv1/a"], deps);
  await clock.advance(2000);
  expect((await good).contents.size).toBe(1);
  const bad = readPaths(["kv1/b"], deps);
  const outcome = expect(bad).rejects.toMatchObject({ exit: "read_failed" });
  await clock.advance(2000);
  await outcome;
});

test("when the time is over nothing is tried again", async () => {
  const vault = new FakeVault();
  vault.answers.set("kv1/a", [silent, silent]);
  const over = AbortSignal.abort(new Error("over"));
  const deps = { vault, clock: new ManualClock(), signal: over };
  await expect(readPaths(["kv1/a"], deps)).rejects.toMatchObject({
    exit: "read_failed",
  });
  expect(vault.asked.filter((ask) => ask === "read kv1/a")).toHaveLength(1);
});

test("a token is renewed to what was promised, unless it lives long enough or cannot be", async () => {
  const vault = new FakeVault();
  vault.renewal = [found(3600), { kind: "refused", status: 403 }];
  const { deps } = depsOf(vault);
  expect(await renew(token, 3600, deps)).toBe(3600);
  expect(await renew(token, 3600, deps)).toBeUndefined();
  expect(await renew(token, 90, deps)).toBe(token.ttl);
  expect(
    await renew({ ...token, renewable: false }, 3600, deps),
  ).toBeUndefined();
  expect(vault.asked).toEqual(["renew 3600", "renew 3600"]);
});

test("references to one secret read it once, whichever form its path has, and each version by itself", async () => {
  const vault = new FakeVault();
  const { deps } = depsOf(vault);
  const sources = [
    "vault:secret/db#user",
    "vault:secret/data/db#password",
    "vault:secret/db#password#2",
    "vault:database/creds/web#username",
    "vault:database/creds/web#password",
  ].map((value) => referred(value));
  const read = await readPaths(["secret/data/db", ...sources], deps);
  expect(read.contents.size).toBe(5);
  expect(
    vault.asked.filter((ask) => ask.startsWith("read")).toSorted(),
  ).toEqual([
    "read database/creds/web",
    "read secret/data/data/db versioned",
    "read secret/data/db versioned",
    "read secret/data/db?2 versioned",
  ]);
});

test("what is written to is written to once for the same parameters, and its engine is not asked for", async () => {
  const vault = new FakeVault();
  const { deps } = depsOf(vault);
  const sources = [
    '>>vault:pki/issue/a#certificate#{"common_name":"a","ttl":1}',
    '>>vault:pki/issue/a#private_key#{"ttl":1, "common_name":"a"}',
    '>>vault:pki/issue/a#certificate#{"common_name":"b"}',
    ">>vault:pki/issue/a#certificate",
  ].map((value) => referred(value));
  await readPaths(sources, deps);
  expect(vault.asked).toEqual([
    'write pki/issue/a {"common_name":"a","ttl":1}',
    'write pki/issue/a {"common_name":"b"}',
    "write pki/issue/a {}",
  ]);
});

test("all ciphertexts are decrypted in one call", async () => {
  const vault = new FakeVault();
  vault.texts.push(silent, found([new Secret("a"), undefined]));
  const { clock, deps } = depsOf(vault);
  const reading = readAll(
    token,
    { sources: [], ciphertexts: ["x", "y"], decryptPath: "transit/decrypt/k" },
    deps,
  );
  await clock.advance(2000);
  const { plaintexts } = await reading;
  expect(plaintexts.get("x")?.expose()).toBe("a");
  expect([...plaintexts]).toHaveLength(2);
  expect(plaintexts.get("y")).toBeUndefined();
  expect(vault.asked).toEqual([
    "decrypt transit/decrypt/k x y",
    "decrypt transit/decrypt/k x y",
  ]);
});

test("nothing that makes something new is asked for again once Vault may have heard of it", async () => {
  const vault = new FakeVault();
  vault.answers.set("database/creds/a", [lost, found(content)]);
  vault.answers.set("database/creds/b", [silent, found(content)]);
  vault.answers.set("pki/issue/a", [lost, found(content)]);
  vault.answers.set("kv1/a", [lost, found(content)]);
  const { clock, deps } = depsOf(vault);
  const reading = readPaths(
    [
      "database/creds/a",
      "database/creds/b",
      "kv1/a",
      referred(">>vault:pki/issue/a#certificate"),
    ],
    deps,
  );
  const outcome = expect(reading).rejects.toMatchObject({
    exit: "read_failed",
    message:
      'Vault gave no usable answer for "database/creds/a", "pki/issue/a"',
  });
  await clock.advance(2000);
  await outcome;
  const times = (ask: string) => vault.asked.filter((one) => one === ask);
  expect(times("read database/creds/a")).toHaveLength(1);
  expect(times("read database/creds/b")).toHaveLength(2);
  expect(times("read kv1/a")).toHaveLength(2);
  expect(times("write pki/issue/a {}")).toHaveLength(1);
});

test("each refusal is told as what it is", async () => {
  const vault = new FakeVault();
  const refused = (status: number) => [{ kind: "refused", status } as const];
  vault.answers.set("secret/data/a", refused(404));
  vault.answers.set("secret/data/b", refused(403));
  vault.answers.set("pki/issue/a", refused(400));
  vault.texts.push({ kind: "refused", status: 403 });
  const { deps } = depsOf(vault);
  const reading = readAll(
    token,
    {
      sources: [
        referred("vault:secret/a#k#7"),
        { kind: "read", path: "secret/b" },
        referred("vault:kv1/c#k#2"),
        referred(">>vault:pki/issue/a#k"),
      ],
      ciphertexts: ["x"],
      decryptPath: "transit/decrypt/k",
    },
    deps,
  );
  await expect(reading).rejects.toMatchObject({
    exit: "read_refused",
    message: [
      'there is no version 7 of "secret/a" (404)',
      'Vault refuses to read "secret/b" (403)',
      'there is no version 2 of "kv1/c": its engine keeps no versions',
      'Vault refuses to write "pki/issue/a" (400)',
      'Vault refuses to write "transit/decrypt/k" (403)',
    ].join("; "),
  });
  expect(vault.asked).not.toContain("read kv1/c");
});
