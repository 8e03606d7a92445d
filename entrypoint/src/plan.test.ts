import { Secret } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { assemble, pathsOf } from "./plan.ts";
import type { Content } from "./read.ts";

const content = (values: Record<string, string | undefined>): Content => ({
  leased: false,
  values: new Map(
    Object.entries(values).map(([key, value]) => [
      key,
      value === undefined ? undefined : new Secret(value),
    ]),
  ),
});
const contents = new Map([
  ["secret/a", content({ A: "a", SAME: "a" })],
  ["secret/b", content({ B: "b", SAME: "b" })],
  ["secret/odd", content({ "tls.crt": "x", NONE: undefined, LONE: "\ud800" })],
]);
const exposed = (
  own: string[],
  paths: string[],
  env: Record<string, string> = {},
) =>
  Object.fromEntries(
    [
      ...assemble(own, { paths, env: new Map(Object.entries(env)) }, contents),
    ].map(([name, value]) => [name, value.expose()]),
  );

test("every path is named once, wherever it is asked for", () => {
  const env = new Map([
    ["X", "secret/a#k"],
    ["Y", "secret/c#k#k"],
  ]);
  expect(
    pathsOf(["secret/a"], { paths: ["secret/b", "secret/a"], env }),
  ).toEqual(["secret/a", "secret/b", "secret/c"]);
});

test("own paths beat the delivery's env, which beats its paths", () => {
  expect(exposed(["secret/b"], ["secret/a"])).toEqual({
    A: "a",
    B: "b",
    SAME: "b",
  });
  expect(exposed([], ["secret/a"], { SAME: "secret/b#B" })).toEqual({
    A: "a",
    SAME: "b",
  });
  expect(exposed(["secret/b"], [], { SAME: "secret/a#A" })).toEqual({
    B: "b",
    SAME: "b",
  });
});

test("two paths of one list that give one name are an error, and the same path twice is none", () => {
  expect(() => exposed([], ["secret/a", "secret/b"])).toThrow(
    /"SAME" is in both "secret\/a" and "secret\/b"/,
  );
  expect(exposed(["secret/a", "secret/a"], ["secret/a"])).toEqual({
    A: "a",
    SAME: "a",
  });
});

test("a key that is no name may be mapped to one", () => {
  expect(exposed([], [], { CERT: "secret/odd#tls.crt" })).toEqual({
    CERT: "x",
  });
});

test("every fault is told by path and key", () => {
  expect(() => exposed(["secret/odd"], [], { X: "secret/a#none" })).toThrow(
    expect.objectContaining({
      exit: "secret_unusable",
      message:
        'there is no key "none" in "secret/a", which X is to hold; ' +
        'key "tls.crt" of "secret/odd" is not the name of a variable; ' +
        'key "NONE" of "secret/odd" is null; ' +
        'key "LONE" of "secret/odd" is not Unicode text',
    }),
  );
});
