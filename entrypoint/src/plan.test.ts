import { Secret } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { assemble, givesToken, needsOf } from "./plan.ts";
import type { OwnPlan } from "./plan.ts";
import type { Content } from "./read.ts";
import { parseValue, parseWhole, sourceId } from "./reference.ts";
import type { Parts } from "./reference.ts";

const content = (values: Record<string, string | undefined>): Content => ({
  leased: false,
  values: new Map(
    Object.entries(values).map(([key, value]) => [
      key,
      value === undefined ? undefined : new Secret(value),
    ]),
  ),
});
const sourceIn = (value: string) => {
  const [part] = parseValue(value) as Parts;
  return typeof part === "object" && part.kind === "key"
    ? sourceId(part.source)
    : "";
};
const answers = {
  contents: new Map(
    [
      ["secret/a", content({ A: "a", SAME: "a" })] as const,
      ["secret/b", content({ B: "b", SAME: "b" })] as const,
      ["secret/b#1", content({ B: "old" })] as const,
      [
        "secret/low",
        content({ db_user: "u", Db_User: "v", "db-port": "1" }),
      ] as const,
      [
        "secret/odd",
        content({ "tls.crt": "x", NONE: undefined, LONE: "\ud800" }),
      ] as const,
    ]
      .flatMap(([whole, values]) => [
        [sourceId(parseWhole(whole)), values] as const,
        [
          sourceIn(`vault:${whole.replace(/#|$/, "#KEY#").replace(/#$/, "")}`),
          values,
        ] as const,
      ])
      .concat([
        [sourceIn(">>vault:pki/issue/a#KEY"), content({ certificate: "c" })],
      ]),
  ),
  plaintexts: new Map([
    ["vault:v1:Z29vZA==", new Secret("good")],
    ["vault:v1:bnVs", new Secret("a\0b")],
    ["vault:v1:YmFk", undefined],
  ]),
};
const owning = (
  secrets: string[],
  references: Record<string, string> = {},
  more: Partial<OwnPlan> = {},
): OwnPlan => ({
  secrets: secrets.map((one) => parseWhole(one)),
  references: new Map(
    Object.entries(references).map(([name, value]) => [
      name,
      parseValue(value) ?? [],
    ]),
  ),
  prefix: "",
  uppercase: false,
  ...more,
});
const exposed = (
  own: OwnPlan,
  paths: string[] = [],
  env: Record<string, string> = {},
) =>
  Object.fromEntries(
    [
      ...assemble(
        own,
        { paths, env: new Map(Object.entries(env)) },
        answers,
        new Secret("hvs.own"),
      ),
    ].map(([name, value]) => [name, value.expose()]),
  );

test("everything is asked for, wherever it is named, but what a reference overrides", () => {
  const env = new Map([
    ["X", "secret/a#k"],
    ["Y", "secret/c#k"],
  ]);
  const own = owning(
    ["secret/a#2"],
    {
      X: "${vault:secret/d#k}${vault:v1:Z29vZA==}${vault:v1:Z29vZA==}",
      Z: '>>vault:pki/issue/a#k#{"ttl":1}',
    },
    { decryptPath: "transit/decrypt/web" },
  );
  const more = {
    sources: [{ kind: "read", path: "secret/file" }],
    ciphertexts: ["vault:v1:Z29vZA=="],
  } as const;
  expect(needsOf(own, { paths: ["secret/b"], env }, more)).toEqual({
    sources: [
      { kind: "read", path: "secret/a", version: 2 },
      { kind: "read", path: "secret/b" },
      { kind: "read", path: "secret/c" },
      { kind: "read", path: "secret/d", api: true },
      { kind: "write", path: "pki/issue/a", parameters: '{"ttl":1}' },
      { kind: "read", path: "secret/file" },
    ],
    ciphertexts: ["vault:v1:Z29vZA=="],
    decryptPath: "transit/decrypt/web",
  });
});

test("references beat own paths, which beat the delivery's env, which beats its paths", () => {
  expect(exposed(owning(["secret/b"]), ["secret/a"])).toEqual({
    A: "a",
    B: "b",
    SAME: "b",
  });
  expect(exposed(owning([]), ["secret/a"], { SAME: "secret/b#B" })).toEqual({
    A: "a",
    SAME: "b",
  });
  expect(exposed(owning(["secret/b"]), [], { SAME: "secret/a#A" })).toEqual({
    B: "b",
    SAME: "b",
  });
  expect(
    exposed(owning(["secret/b"], { SAME: "vault:secret/a#SAME" }), [], {
      SAME: "secret/none#KEY",
    }),
  ).toEqual({ B: "b", SAME: "a" });
});

test("two paths of one list that give one name are an error, and the same path twice is none", () => {
  expect(() => exposed(owning([]), ["secret/a", "secret/b"])).toThrow(
    'key "SAME" of "secret/a" and key "SAME" of "secret/b" both give SAME',
  );
  expect(exposed(owning(["secret/a", "secret/a"]), ["secret/a"])).toEqual({
    A: "a",
    SAME: "a",
  });
  expect(() => exposed(owning(["secret/b", "secret/b#1"]))).toThrow(
    'key "B" of "secret/b" and key "B" of version 1 of "secret/b" both give B',
  );
});

test("names of whole secrets get a prefix and capitals, and no other names do", () => {
  const more = { prefix: "my_", uppercase: true };
  expect(
    exposed(
      owning(["secret/b"], { r: "vault:secret/a#A" }, more),
      ["secret/a"],
      {
        e: "secret/b#B",
      },
    ),
  ).toEqual({ my_A: "a", my_B: "b", my_SAME: "b", r: "a", e: "b" });
  expect(() =>
    exposed(owning(["secret/low"], {}, { uppercase: true })),
  ).toThrow(
    'key "db_user" of "secret/low" and key "Db_User" of "secret/low" both give DB_USER; ' +
      'key "db-port" of "secret/low" is not the name of a variable',
  );
});

test("references stand for keys, versions, written answers, ciphertexts and the token", () => {
  expect(
    exposed(
      owning([], {
        URL: "x://${vault:secret/a#A}:${vault:secret/b#B#1}@${vault:secret/b#B}/$${vault:a#b}",
        CERT: ">>vault:pki/issue/a#certificate",
        SECRET: "vault:v1:Z29vZA==",
        VAULT_TOKEN: "vault:login",
      }),
    ),
  ).toEqual({
    URL: "x://a:old@b/${vault:a#b}",
    CERT: "c",
    SECRET: "good",
    VAULT_TOKEN: "hvs.own",
  });
});

test("whether the application gets the token is told", () => {
  expect(givesToken(owning(["secret/a"], { A: "vault:secret/a#A" }))).toBe(
    false,
  );
  expect(givesToken(owning([], { A: "x ${vault:login}" }))).toBe(true);
});

test("a key that is no name may be mapped to one", () => {
  expect(exposed(owning([]), [], { CERT: "secret/odd#tls.crt" })).toEqual({
    CERT: "x",
  });
});

test("every fault is told by path and key", () => {
  const own = owning(
    ["secret/odd"],
    {
      U: "vault:secret/b#none#1",
      V: ">>vault:pki/issue/a#key",
      W: "vault:v1:YmFk",
      Z: "vault:v1:bnVs",
    },
    { decryptPath: "transit/decrypt/web" },
  );
  expect(() => exposed(own, [], { X: "secret/a#none" })).toThrow(
    expect.objectContaining({
      exit: "secret_unusable",
      message: [
        'there is no key "none" in "secret/a", which X is to hold',
        'key "tls.crt" of "secret/odd" is not the name of a variable',
        'key "NONE" of "secret/odd" is null',
        'key "LONE" of "secret/odd" is not Unicode text',
        'there is no key "none" in version 1 of "secret/b", which U is to hold',
        'there is no key "key" in the answer of "pki/issue/a", which V is to hold',
        'W holds a ciphertext that "transit/decrypt/web" does not decrypt to text',
        "the text that Z is to hold holds a NUL byte",
      ].join("; "),
    }),
  );
});
