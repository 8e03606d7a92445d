import { Secret } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { appEnvironment, checkArguments, parseEnviron } from "./environ.ts";

const withNone = (
  given: ReadonlyMap<string, string>,
  secrets: ReadonlyMap<string, Secret>,
) => appEnvironment(given, secrets, new Set());
const ends = (exit: string) => expect.objectContaining({ exit });
const block = (...entries: string[]): Buffer =>
  Buffer.from(entries.map((entry) => `${entry}\0`).join(""));

test("whatever the kernel can hold in an environment comes back as it was", () => {
  const names = ["A", "__proto__", "BASH_FUNC_f%%", "ä", "a b", "\u2028", "1"];
  const values = [
    "",
    " ",
    "a\nb",
    "\u{1f511}",
    "\ufffd",
    "() { :; }",
    "\u0001\u007f",
  ];
  const entries = names.map((name, at) => [name, values[at] ?? ""] as const);
  const written = block(...entries.map(([name, value]) => `${name}=${value}`));
  expect([...parseEnviron(written)]).toEqual(entries);
});

test("a byte order mark, an empty value and a second = belong to the value", () => {
  expect([...parseEnviron(block("A=\ufeffx", "B=", "C=a=b"))]).toEqual([
    ["A", "\ufeffx"],
    ["B", ""],
    ["C", "a=b"],
  ]);
  expect(parseEnviron(Buffer.alloc(0)).size).toBe(0);
});

test.each([
  ["is not UTF-8", Buffer.from([65, 61, 0xff, 0])],
  ["has no =", block("A=1", "B")],
  ["has no name", block("=1")],
  ["comes twice", block("A=1", "A=2")],
])(
  "an entry that %s is refused, because it could not be handed on as it is",
  (_name, bytes) => {
    expect(() => parseEnviron(bytes)).toThrow(ends("environment"));
  },
);

test("arguments that are not UTF-8 are refused", () => {
  expect(() => checkArguments(Buffer.from([97, 0, 0xc3, 0]))).toThrow(
    ends("environment"),
  );
  expect(() => checkArguments(block("ä", ""))).not.toThrow();
});

test("the command gets what was given, without ours and Vault's, and with the secrets in place of defaults", () => {
  const env = withNone(
    new Map([
      ["A", "given"],
      ["WIS_MODE", "x"],
      ["VAULT_TOKEN", "x"],
      ["VAULT", "kept"],
      ["MY_VAULT_ADDR", "kept"],
      ["__proto__", "kept"],
    ]),
    new Map([
      ["A", new Secret("secret")],
      ["B", new Secret("more")],
    ]),
  );
  expect(Object.entries(env)).toEqual([
    ["A", "secret"],
    ["VAULT", "kept"],
    ["MY_VAULT_ADDR", "kept"],
    ["__proto__", "kept"],
    ["B", "more"],
  ]);
});

test("a variable of 131071 bytes is handed on, one more is refused by its name", () => {
  const of = (length: number) =>
    new Map([["NAME", new Secret("ä".repeat(length / 2))]]);
  const most = 128 * 1024 - "NAME=".length - 1;
  expect(() => withNone(new Map(), of(most - (most % 2)))).not.toThrow();
  expect(() => withNone(new Map(), of(most + 2))).toThrow(
    ends("secret_unusable"),
  );
  expect(() => withNone(new Map(), of(most + 2))).toThrow(/NAME$/);
});

test("ours and Vault's variables are handed on when they are named", () => {
  const given = new Map([
    ["WIS_MODE", "x"],
    ["WIS_HMAC_KEY", "x"],
    ["VAULT_ADDR", "https://vault"],
    ["VAULT_TOKEN", "x"],
  ]);
  const passed = new Set(["VAULT_ADDR", "WIS_MODE", "NOT_THERE", "PATH"]);
  expect(appEnvironment(given, new Map(), passed)).toEqual({
    WIS_MODE: "x",
    VAULT_ADDR: "https://vault",
  });
  const token = new Map([["VAULT_TOKEN", new Secret("its own")]]);
  expect(appEnvironment(given, token, new Set())).toEqual({
    VAULT_TOKEN: "its own",
  });
});
