// How the broker's own values are written: what is taken, and what is not.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { label, ledgerUrl, pathGlob, plainName, vaultPath } from "./parsers.ts";

describe("a path in Vault", () => {
  test.each([
    ["secret/vaultbuddy", "secret/vaultbuddy"],
    ["/secret/vaultbuddy/", "secret/vaultbuddy"],
    ["team.a/kv-2/x_y", "team.a/kv-2/x_y"],
  ])("%s", (text, path) => {
    expect(vaultPath(text)).toBe(path);
  });

  test.each(["", "/", "a//b", "a/../b", "a/./b", "a b", "a?b", "a#b", "a%2fb"])(
    "%j is none",
    (text) => {
      expect(() => vaultPath(text)).toThrow(/must be/);
    },
  );

  test("never leads out of itself, whatever is given", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        let path: string;
        try {
          path = vaultPath(text);
        } catch {
          return;
        }
        const url = new URL(`http://vault/v1/${path}`);
        expect([url.pathname, url.search, url.hash]).toEqual([
          `/v1/${path}`,
          "",
          "",
        ]);
      }),
    );
  });
});

test("a place where wrapping tokens are made may have stars, which stay within a segment", () => {
  const fits = pathGlob("auth/token/create/*");
  expect(fits("auth/token/create/broker")).toBe(true);
  expect(fits("auth/token/create")).toBe(false);
  expect(fits("auth/token/create/a/b")).toBe(false);
  expect(() => pathGlob("a//*")).toThrow(/must be/);
});

test.each([
  [plainName, "broker@example.com", ".hidden"],
  [label, "team.example/secrets=yes", "no-value"],
  [ledgerUrl, "sqlite:/var/lib/claims.db", "postgres://db"],
])("%o takes its form only", (read, good, bad) => {
  expect(() => read(good)).not.toThrow();
  expect(() => read(bad)).toThrow(/must be/);
});
