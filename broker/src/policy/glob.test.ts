import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { globsIntersect, literalLength, matchesGlob } from "./glob.ts";

/** Every text over an alphabet, from the empty one up to a length. */
function texts(alphabet: string, longest: number): string[] {
  let row = [""];
  const all = [""];
  for (let length = 1; length <= longest; length += 1) {
    row = row.flatMap((head) => alphabet.split("").map((char) => head + char));
    all.push(...row);
  }
  return all;
}

/** The same language as a regular expression, as an independent opinion. */
function asExpression(pattern: string): RegExp {
  return new RegExp(
    `^${pattern
      .split("")
      .map((char) => (char === "*" ? "[^/]*" : char))
      .join("")}$`,
  );
}

const part = fc.stringMatching(/^[ab*]{1,5}$/);

describe("matchesGlob", () => {
  test.each([
    ["web", "web", true],
    ["web", "web2", false],
    ["web*", "web", true],
    ["*", "", true],
    ["*", "a/b", false],
    ["*/b", "a/b", true],
    ["a*b*c", "aXbXbXc", true],
    ["a*b*c", "aXbX", false],
    ["*a", "aaab", false],
    ["service:*", "service:web", true],
    [".*", "ab", false],
    ["reg/*@sha256:*", "reg/web@sha256:00", true],
    ["reg/*@sha256:*", "reg/team/web@sha256:00", false],
  ])("%s and %s", (pattern, text, verdict) => {
    expect(matchesGlob(pattern, text)).toBe(verdict);
  });

  test("agrees with the same pattern written as a regular expression", () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[ab*/]{0,7}$/),
        fc.stringMatching(/^[ab/]{0,8}$/),
        (pattern, text) => {
          expect(matchesGlob(pattern, text)).toBe(
            asExpression(pattern).test(text),
          );
        },
      ),
    );
  });

  test("a pattern made to be slow is not", () => {
    expect(matchesGlob(`${"a*".repeat(120)}b`, "a".repeat(255))).toBe(false);
  });
});

describe("globsIntersect", () => {
  const names = texts("ab", 7).slice(1);

  test("finds a common name exactly when one exists", () => {
    fc.assert(
      fc.property(part, part, (left, right) => {
        // Two patterns of 5 characters that share a name share one of at most 10; 7 is the longest tried and allowed.
        const found = names.some(
          (name) => matchesGlob(left, name) && matchesGlob(right, name),
        );
        expect(globsIntersect(left, right, 7)).toBe(found);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ["a*", "*b", true],
    ["a*", "b*", false],
    ["web/*", "*/app", true],
    ["web/*", "web", false],
    ["*a*", "*b*", true],
    ["a*c", "ab*", true],
    ["*", "*", true],
  ])("%s and %s", (left, right, verdict) => {
    expect(globsIntersect(left, right, 255)).toBe(verdict);
    expect(globsIntersect(right, left, 255)).toBe(verdict);
  });

  test("a common name that is longer than a name may be does not count", () => {
    const [left, right] = [`${"a".repeat(130)}*`, `*${"b".repeat(130)}`];
    expect(globsIntersect(left, right, 260)).toBe(true);
    expect(globsIntersect(left, right, 255)).toBe(false);
  });
});

test("a slash and a star are no literal characters", () => {
  expect(literalLength("web-*/a*")).toBe(5);
});
