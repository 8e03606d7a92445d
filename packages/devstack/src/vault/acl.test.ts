import { expect, test } from "vitest";
import { Acl } from "./acl.ts";
import type { Asked } from "./acl.ts";
import { parsePolicy } from "./policy.ts";

function acl(...policies: string[]): Acl {
  return new Acl(policies.flatMap(parsePolicy), false);
}

function allowed(rules: Acl, asked: Partial<Asked>): boolean {
  return rules.judge({
    operation: "read",
    path: "a",
    data: undefined,
    wrapTtl: undefined,
    ...asked,
  }).allowed;
}

test("root may do everything, also what nobody thought of", () => {
  const root = new Acl([], true);
  expect(
    root.judge({
      operation: "delete",
      path: "x",
      data: undefined,
      wrapTtl: undefined,
    }),
  ).toEqual({ allowed: true, sudo: true });
  expect(root.capabilities("x")).toEqual(["root"]);
  expect(root.seesMount("x/")).toBe(true);
});

test("one capability allows one operation", () => {
  const rules = acl('path "a" { capabilities = ["update"] }');
  expect(allowed(rules, { operation: "update" })).toBe(true);
  for (const operation of ["create", "read", "delete", "list"] as const)
    expect(allowed(rules, { operation })).toBe(false);
});

test("the same path in one policy twice adds up like two policies", () => {
  const twice = acl(
    'path "a" { capabilities = ["read"] }\npath "a" { capabilities = ["list"] }',
  );
  expect(twice.capabilities("a")).toEqual(["list", "read"]);
});

test("a rule for a path with a star is not the rule for the path without", () => {
  const rules = acl(
    'path "a" { capabilities = ["deny"] }',
    'path "a*" { capabilities = ["read"] }',
  );
  expect(rules.capabilities("a")).toEqual(["deny"]);
  expect(rules.capabilities("ab")).toEqual(["read"]);
});

test("wrapping can be demanded and bounded", () => {
  const rules = acl(
    'path "a" { capabilities = ["read"] min_wrapping_ttl = "1s" max_wrapping_ttl = "120s" }',
  );
  expect(allowed(rules, {})).toBe(false);
  expect(allowed(rules, { wrapTtl: 500 })).toBe(false);
  expect(allowed(rules, { wrapTtl: 1000 })).toBe(true);
  expect(allowed(rules, { wrapTtl: 120_000 })).toBe(true);
  expect(allowed(rules, { wrapTtl: 120_001 })).toBe(false);
});

test("merged wrapping bounds that contradict each other allow nothing", () => {
  const rules = acl(
    'path "a" { capabilities = ["read"] min_wrapping_ttl = "60s" }',
    'path "a" { capabilities = ["read"] max_wrapping_ttl = "30s" }',
  );
  expect(allowed(rules, { wrapTtl: 45_000 })).toBe(false);
  expect(allowed(rules, { wrapTtl: 30_000 })).toBe(false);
});

test("merged parameters widen, and an empty list swallows the values", () => {
  const one =
    'path "a" { capabilities = ["update"] allowed_parameters = { "x" = ["1"] } }';
  const two =
    'path "a" { capabilities = ["update"] allowed_parameters = { "x" = ["2"], "y" = [] } }';
  const all =
    'path "a" { capabilities = ["update"] allowed_parameters = { "x" = [] } }';
  const write = (rules: Acl, data: Asked["data"]): boolean =>
    allowed(rules, { operation: "update", data });
  expect(write(acl(one, two), { x: "1", y: "any" })).toBe(true);
  expect(write(acl(one, two), { x: "3" })).toBe(false);
  expect(write(acl(one, two, all), { x: "3" })).toBe(true);
});

test("parameters don't matter for lists and deletes", () => {
  const rules = acl(
    'path "a" { capabilities = ["delete", "list"] required_parameters = ["x"] }',
  );
  expect(allowed(rules, { operation: "delete" })).toBe(true);
  expect(allowed(rules, { operation: "list" })).toBe(true);
});

test("a mount is seen through any rule at or below it that isn't a deny", () => {
  expect(
    acl('path "kv/data/x" { capabilities = ["read"] }').seesMount("kv/"),
  ).toBe(true);
  expect(
    acl('path "kv/data/*" { capabilities = ["deny"] }').seesMount("kv/"),
  ).toBe(false);
  expect(
    acl('path "+/data/x" { capabilities = ["list"] }').seesMount("kv/"),
  ).toBe(true);
  expect(
    acl('path "other/+" { capabilities = ["list"] }').seesMount("kv/"),
  ).toBe(false);
});

test("sudo is told apart from being allowed", () => {
  const rules = acl('path "a" { capabilities = ["sudo"] }');
  expect(
    rules.judge({
      operation: "read",
      path: "a",
      data: undefined,
      wrapTtl: undefined,
    }),
  ).toEqual({ allowed: false, sudo: true });
  expect(rules.hasSudo("a")).toBe(true);
});
