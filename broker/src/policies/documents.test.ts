// Documents below a path in Vault: all of them, none twice, none that was deleted, and no end to neither depth nor number.

import { Secret } from "@vaultbuddy/common";
import { describe, expect, test } from "vitest";
import { PolicyError } from "../policy.ts";
import type { PolicyDocument } from "../policy.ts";
import { VaultRefused } from "../vault/client.ts";
import type { Kv } from "../vault/kv.ts";
import { kvPath } from "../vault/kv.ts";
import { fileSource, vaultSource } from "./documents.ts";

/** Documents by path, as a KV engine has them; null is one that was deleted. */
function engine(documents: Readonly<Record<string, unknown>>): Kv {
  return {
    mountOf: () => Promise.resolve({ path: "secret/", versioned: true }),
    read: (_, __, path) => Promise.resolve(documents[path] ?? undefined),
    list: (_, __, path) => {
      const below = Object.keys(documents)
        .filter((one) => one.startsWith(`${path}/`))
        .map((one) => one.slice(path.length + 1).replace(/\/.*/, "/"));
      return Promise.resolve([...new Set(below)]);
    },
  };
}

function read(kv: Kv, nested = true): Promise<readonly PolicyDocument[]> {
  return vaultSource({
    kv,
    token: () => new Secret("t"),
    path: "secret/p",
    nested,
    refresh: 1000,
  }).documents();
}

const sources = async (kv: Kv, nested?: boolean): Promise<string[]> =>
  (await read(kv, nested)).map(({ source }) => source);

describe("in Vault", () => {
  test("the one at the path, and those below it only when asked for", async () => {
    const kv = engine({ "secret/p": {}, "secret/p/b/c": {}, "secret/p/a": {} });
    expect(await sources(kv, false)).toEqual(["secret/p"]);
    expect(await sources(kv)).toEqual([
      "secret/p",
      "secret/p/a",
      "secret/p/b/c",
    ]);
  });

  test("one that was deleted is none", async () => {
    const kv = engine({ "secret/p/a": {}, "secret/p/b": null });
    expect(await sources(kv)).toEqual(["secret/p/a"]);
  });

  test.each<[string, Kv, boolean, RegExp]>([
    ["nothing", engine({}), false, /no document at this path in Vault/],
    ["nothing below", engine({ "secret/p/a": null }), true, /none below it/],
    [
      "a name that could lead elsewhere",
      engine({ "secret/p/a b": {} }),
      true,
      /not made of letters/,
    ],
    ["dots", engine({ "secret/p/../x": {} }), true, /not made of letters/],
    [
      "folders without end",
      engine({ [`secret/p${"/d".repeat(9)}/x`]: {} }),
      true,
      /more than 8 folders deep/,
    ],
    [
      "too many",
      engine(
        Object.fromEntries(
          Array.from({ length: 501 }, (_, i) => [`secret/p/${i}`, {}]),
        ),
      ),
      true,
      /more than 500 documents/,
    ],
  ])("%s is a fault", async (_, kv, nested, said) => {
    await expect(read(kv, nested)).rejects.toThrow(PolicyError);
    await expect(read(kv, nested)).rejects.toThrow(said);
  });

  test.each<[keyof Kv, RegExp]>([
    ["mountOf", /lacks anything in the engine of secret\/p/],
    ["read", /lacks read on secret\/data\/p/],
    ["list", /lacks list on secret\/metadata\/p/],
  ])("what %s may not do is named", async (call, said) => {
    const kv = {
      ...engine({ "secret/p": {} }),
      [call]: () => Promise.reject(new VaultRefused("it", 403)),
    };
    await expect(read(kv)).rejects.toThrow(said);
  });
});

test("a path is called as its engine's version has it", () => {
  const versioned = { path: "team/kv/", versioned: true };
  expect(kvPath(versioned, "team/kv/p/a", "data")).toBe("team/kv/data/p/a");
  expect(kvPath({ ...versioned, versioned: false }, "team/kv/p", "data")).toBe(
    "team/kv/p",
  );
});

test("a file that cannot be read is a fault", async () => {
  const source = fileSource("/nowhere", () => {
    throw new Error("ENOENT");
  });
  await expect(source.documents()).rejects.toThrow(/cannot be read/);
});
