import { expect, test } from "vitest";
import { parseHcl } from "./hcl.ts";
import { parsePolicy } from "./policy.ts";

test("blocks, assignments and comments come out as items with their lines", () => {
  const { items } = parseHcl(
    '# top\npath "a" {\n  x = "1" // end\n  list = [1, true, "q\\"",]\n} /* between */ y = 2',
  );
  expect(items).toEqual([
    {
      keys: ["path", "a"],
      line: 0,
      value: {
        items: [
          { keys: ["x"], value: "1", line: 3 },
          { keys: ["list"], value: [1, true, 'q"'], line: 4 },
        ],
      },
    },
    { keys: ["y"], value: 2, line: 5 },
  ]);
});

test.each([
  ['path "a" {', "At 1:11: object expected closing RBRACE got: EOF"],
  ["x = ", "At 1:5: Unknown token: EOF"],
  [
    "x = [1 2]",
    'At 1:8: error parsing list, expected comma or list end, got: "2"',
  ],
  ["= 1", 'At 1:1: illegal character or key expected, got "="'],
])("%j is refused with its place", (text, message) => {
  expect(() => parseHcl(text)).toThrow(message);
});

test("a rule is exact, a prefix or a pattern of segments", () => {
  const kinds = ["a", "a*", "*", "+", "a/+", "+/a", "a/+/b*", "a+b", "a/*/b"];
  const rules = parsePolicy(
    kinds
      .map((path) => `path "${path}" { capabilities = ["read"] }`)
      .join("\n"),
  );
  expect(rules.map(({ path, kind }) => [path, kind])).toEqual([
    ["a", "exact"],
    ["a", "prefix"],
    ["", "prefix"],
    ["+", "segments"],
    ["a/+", "segments"],
    ["+/a", "segments"],
    ["a/+/b*", "segments"],
    ["a+b", "exact"],
    ["a/*/b", "exact"],
  ]);
});

test("HCL and JSON give the same rules", () => {
  const hcl = parsePolicy(
    'path "a" { capabilities = ["read"] min_wrapping_ttl = "1m" allowed_parameters = { "X" = ["y"], "z" = [] } required_parameters = ["q"] }',
  );
  const json = parsePolicy(
    '{"path":{"a":{"capabilities":["read"],"min_wrapping_ttl":60,"allowed_parameters":{"X":["y"],"z":[]},"required_parameters":["q"]}}}',
  );
  expect(hcl).toEqual(json);
  expect(hcl[0]?.permissions).toEqual({
    capabilities: new Set(["read"]),
    minWrappingTtl: 60_000,
    maxWrappingTtl: 0,
    allowed: new Map([
      ["x", ["y"]],
      ["z", []],
    ]),
    denied: undefined,
    required: ["q"],
  });
});

test("what a denying rule says besides is forgotten", () => {
  const [rule] = parsePolicy(
    'path "a" { capabilities = ["read", "deny"] max_wrapping_ttl = "1s" min_wrapping_ttl = "2s" }',
  );
  expect(rule?.permissions.capabilities).toEqual(new Set(["deny"]));
  expect(rule?.permissions.maxWrappingTtl).toBe(0);
});
