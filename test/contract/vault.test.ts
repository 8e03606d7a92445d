// What the stand-in for Vault must do, told as tests that run against it and, with VAULT_ADDR and VAULT_TOKEN, against a
// fresh dev-mode Vault as well. Statuses and texts are Vault 1.8's: from its recorded answers, its API docs, its source.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { at } from "./vault/client.ts";
import { converse, readSteps } from "./vault/conversation.ts";
import { engineContract } from "./vault/engines.ts";
import { loginContract } from "./vault/logins.ts";
import { makerContract } from "./vault/makers.ts";
import { secretIdContract } from "./vault/secret-ids.ts";
import { Asker, denied, listed, openSubject } from "./vault/setup.ts";
import type { Subject } from "./vault/setup.ts";
import { tokenContract } from "./vault/tokens.ts";
import { wrappingContract } from "./vault/wrapping.ts";

let subject: Subject;
let vault: Asker;

beforeAll(async () => {
  subject = await openSubject("1.8");
  vault = new Asker(subject);
});
afterAll(() => subject.close());

// It runs first, since it counts on a fresh server.
test("every question of the recorded conversation gets the real answer", async () => {
  const steps = await readSteps();
  expect(steps).toHaveLength(119);
  const outcomes = await converse(subject.addr, subject.root, steps, (ms) =>
    subject.pause(ms),
  );
  expect(outcomes).toEqual(
    steps.map(({ name, status, answer }) => ({ name, status, answer })),
  );
});

describe("the listener", () => {
  test("LIST and ?list=true are the same, other values of list are refused", async () => {
    const byMethod = await vault.done("LIST", "sys/policies/acl");
    const byQuery = await vault.done("GET", "sys/policies/acl?list=true");
    expect(at(byMethod, "data.keys")).toEqual(at(byQuery, "data.keys"));
    expect(at(byMethod, "data.keys")).toContain("root");
    await vault.refused("GET", "sys/policies/acl?list=maybe", 400, undefined);
    await vault.refused(
      "GET",
      "sys/policies/acl?list=0",
      405,
      listed("unsupported operation"),
    );
  });

  test("a method that Vault has no operation for is refused", async () => {
    await vault.refused("REPORT", "secret/data/x", 405, undefined);
    await vault.refused("FLY", "secret/data/x", 405, undefined);
  });

  test("a token in Authorization counts like one in X-Vault-Token", async () => {
    await vault.done("GET", "auth/token/lookup-self", {
      token: null,
      headers: {
        Authorization: `Bearer ${subject.root}`,
        "X-Vault-Request": "true",
      },
    });
    await vault.refused(
      "GET",
      "auth/token/lookup-self",
      400,
      "missing client token",
      {
        token: null,
        headers: { Authorization: `Basic ${subject.root}` },
      },
    );
  });

  test("the namespace header means nothing to the open-source server", async () => {
    await vault.done("GET", "auth/token/lookup-self", {
      headers: { "X-Vault-Namespace": "team-a" },
    });
  });

  test("only the first JSON value of a body is read, and it must be an object", async () => {
    await vault.done("POST", "secret/data/listener", {
      raw: '{"data":{"a":"}"}} and more',
    });
    const read = await vault.done("GET", "secret/data/listener");
    expect(at(read, "data.data")).toEqual({ a: "}" });
    await vault.refused(
      "POST",
      "secret/data/listener",
      400,
      "error parsing JSON",
      {
        raw: "[1]",
      },
    );
    await vault.refused(
      "POST",
      "secret/data/listener",
      400,
      "no data provided",
      {
        raw: "null",
      },
    );
  });

  test("a wrapping TTL that is no duration is refused before anything is done", async () => {
    await vault.refused(
      "GET",
      "secret/data/listener",
      400,
      'error parsing X-Vault-Wrap-TTL header: strconv.ParseInt: parsing "soon": invalid syntax',
      { wrap: "soon" },
    );
    await vault.refused(
      "GET",
      "secret/data/listener",
      400,
      "error parsing X-Vault-Wrap-TTL header: requested wrap ttl cannot be negative",
      { wrap: "-1s" },
    );
    const unwrapped = await vault.done("GET", "secret/data/listener", {
      wrap: "0",
    });
    expect(at(unwrapped, "data.data")).toEqual({ a: "}" });
  });

  test("nothing is written to a path that ends in a slash", async () => {
    await vault.refused(
      "POST",
      "secret/data/dir/",
      400,
      "cannot write to a path ending in '/'",
      {
        body: { data: {} },
      },
    );
  });

  test("answers are JSON that nobody keeps, in Vault's envelope", async () => {
    const answer = await vault.ask("GET", "secret/data/listener");
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.headers["cache-control"]).toBe("no-store");
    expect(Object.keys(answer.json as object)).toEqual([
      "request_id",
      "lease_id",
      "renewable",
      "lease_duration",
      "data",
      "wrap_info",
      "warnings",
      "auth",
    ]);
  });

  test("fields of the wrong type are refused, in the words of whoever looks first", async () => {
    await vault.refused(
      "GET",
      "secret/data/listener?version=abc",
      400,
      `Field validation failed: error converting input abc for field "version": cannot parse '' as int: strconv.ParseInt: parsing "abc": invalid syntax`,
    );
    await vault.refused(
      "POST",
      "secret/data/listener",
      400,
      `error converting input text for field "data": '' expected a map, got 'string'`,
      { body: { data: "text" } },
    );
    await vault.refused(
      "POST",
      "auth/token/create",
      400,
      `Error decoding request: 1 error(s) decoding:\n\n* cannot parse 'num_uses' as int: strconv.ParseInt: parsing "many": invalid syntax`,
      { body: { num_uses: "many" } },
    );
  });

  test("what a mount doesn't know is an unsupported path, what it can't do an unsupported operation", async () => {
    await vault.refused(
      "GET",
      "auth/token/nosuch",
      404,
      listed("unsupported path"),
    );
    await vault.refused(
      "GET",
      "auth/token/create",
      405,
      listed("unsupported operation"),
    );
    await vault.refused(
      "DELETE",
      "sys/mounts",
      405,
      listed("unsupported operation"),
    );
  });
});

describe("health", () => {
  test("the codes of the answer can be chosen", async () => {
    const { status, json } = await vault.ask(
      "GET",
      "sys/health?activecode=299",
      { token: null },
    );
    expect(status).toBe(299);
    expect(json).toMatchObject({
      initialized: true,
      sealed: false,
      standby: false,
    });
    const head = await vault.ask("HEAD", "sys/health", { token: null });
    expect([head.status, head.text]).toEqual([200, ""]);
    await vault.refused("GET", "sys/health?activecode=x", 400, undefined, {
      token: null,
    });
    await vault.refused("POST", "sys/health", 405, undefined, { token: null });
  });

  test("initialising again is refused", async () => {
    const json = await vault.done("GET", "sys/init", { token: null });
    expect(json).toEqual({ initialized: true });
  });
});

describe("precedence of policies", () => {
  // [rules of one policy, path, capabilities]: the rule that decides is the last of each list that differs.
  const cases: readonly (readonly [
    string,
    Record<string, string>,
    string,
    string[],
  ])[] = [
    [
      "an exact rule beats a longer-looking prefix",
      { "kv/a": "read", "kv/a*": "list" },
      "kv/a",
      ["read"],
    ],
    ["a prefix covers the bare path", { "kv/a*": "list" }, "kv/a", ["list"]],
    [
      "a prefix covers deeper paths",
      { "kv/a/*": "read" },
      "kv/a/b/c",
      ["read"],
    ],
    [
      "a prefix with a slash doesn't cover the path without",
      { "kv/a/*": "read" },
      "kv/a",
      ["deny"],
    ],
    [
      "the longer of two prefixes",
      { "kv/*": "read", "kv/a*": "update" },
      "kv/ab",
      ["update"],
    ],
    [
      "a star in the middle is a letter",
      { "kv/*/x": "read" },
      "kv/a/x",
      ["deny"],
    ],
    [
      "a star in the middle is a letter that matches itself",
      { "kv/*/x": "read" },
      "kv/*/x",
      ["read"],
    ],
    ["plus is one segment", { "kv/+/x": "read" }, "kv/a/x", ["read"]],
    ["plus is not two segments", { "kv/+/x": "read" }, "kv/a/b/x", ["deny"]],
    [
      "plus is a segment that may be empty",
      { "kv/+/x": "read" },
      "kv//x",
      ["read"],
    ],
    [
      "plus inside a segment is a letter",
      { "kv/a+": "read" },
      "kv/ab",
      ["deny"],
    ],
    [
      "a later wildcard beats an earlier one",
      { "kv/+/b": "read", "kv/a/+": "list" },
      "kv/a/b",
      ["list"],
    ],
    [
      "a prefix that reaches further than the first plus",
      { "kv/a*": "list", "kv/+/b": "read" },
      "kv/a/b",
      ["list"],
    ],
    [
      "a first plus that stands further than the prefix",
      { "kv/*": "list", "kv/a/+": "read" },
      "kv/a/b",
      ["read"],
    ],
    [
      "at the same place the one without a star",
      { "kv/*": "list", "kv/+": "read" },
      "kv/a",
      ["read"],
    ],
    [
      "a plus pattern without a star beats one with",
      { "kv/+/b*": "list", "kv/+/bc": "read" },
      "kv/a/bc",
      ["read"],
    ],
    [
      "fewer pluses beat more",
      { "kv/+/+/c": "list", "kv/+/b/c": "read" },
      "kv/a/b/c",
      ["read"],
    ],
    [
      "the longer pattern beats the shorter",
      { "kv/+/b*": "list", "kv/+/bc*": "read" },
      "kv/a/bcd",
      ["read"],
    ],
    [
      "a plus pattern with a star covers what is deeper",
      { "kv/+/b/*": "read" },
      "kv/a/b/c/d",
      ["read"],
    ],
    [
      "a plus pattern with a star needs its segments",
      { "kv/+/b/*": "read" },
      "kv/a/b",
      ["deny"],
    ],
    [
      "exact beats plus also when exact denies",
      { "kv/a/b": "deny", "kv/+/b": "read" },
      "kv/a/b",
      ["deny"],
    ],
    [
      "a more exact rule grants what a prefix denies",
      { "kv/*": "deny", "kv/a": "read" },
      "kv/a",
      ["read"],
    ],
    ["a leading slash is nothing", { "/kv/a": "read" }, "kv/a", ["read"]],
    [
      "capabilities come in order",
      { "kv/a": 'update", "create", "sudo", "list' },
      "kv/a",
      ["create", "list", "sudo", "update"],
    ],
    ["deny swallows the others", { "kv/a": 'read", "deny' }, "kv/a", ["deny"]],
    [
      "an exact rule without the slash counts for a directory",
      { "kv/a": "list" },
      "kv/a/",
      ["list"],
    ],
    [
      "an exact rule with the slash doesn't count without",
      { "kv/a/": "list" },
      "kv/a",
      ["deny"],
    ],
    [
      "a plus rule without the slash doesn't count for a directory",
      { "kv/+": "list" },
      "kv/a/",
      ["deny"],
    ],
    ["no rule at all", { "other/*": "read" }, "kv/a", ["deny"]],
    ["a star alone covers all", { "*": "read" }, "any/thing", ["read"]],
    ["a plus alone covers one segment", { "+": "read" }, "any", ["read"]],
  ];

  test.each(cases)("%s", async (_, rules, path, expected) => {
    await vault.policy(
      "precedence",
      Object.entries(rules)
        .map(
          ([rule, words]) => `path "${rule}" { capabilities = ["${words}"] }`,
        )
        .join("\n"),
    );
    const { id } = await vault.token({
      policies: ["precedence"],
      no_default_policy: true,
    });
    const answer = await vault.done("POST", "sys/capabilities", {
      body: { token: id, paths: [path] },
    });
    expect(at(answer, "data")).toEqual({
      [path]: expected,
      capabilities: expected,
    });
  });

  test("a list request falls under the same rules as its capabilities", async () => {
    await vault.done("POST", "secret/data/shelf/book", {
      body: { data: { a: "1" } },
    });
    await vault.policy(
      "lister",
      'path "secret/metadata/shelf" { capabilities = ["list"] }',
    );
    const exact = await vault.token({ policies: ["lister"] });
    const keys = await vault.done("LIST", "secret/metadata/shelf", {
      token: exact.id,
    });
    expect(at(keys, "data.keys")).toEqual(["book"]);
    await vault.policy(
      "lister",
      'path "secret/metadata/+" { capabilities = ["list"] }',
    );
    await vault.refused("LIST", "secret/metadata/shelf", 403, denied, {
      token: exact.id,
    });
    await vault.policy(
      "lister",
      'path "secret/metadata/+/" { capabilities = ["list"] }',
    );
    await vault.done("LIST", "secret/metadata/shelf", { token: exact.id });
  });
});

describe("several policies", () => {
  const capabilitiesOf = async (
    policies: string[],
    path: string,
  ): Promise<unknown> => {
    const { id } = await vault.token({ policies, no_default_policy: true });
    const answer = await vault.done("POST", "sys/capabilities", {
      body: { token: id, path: [path] },
    });
    return at(answer, "data.capabilities");
  };

  test("capabilities on one path add up, and a deny ends it", async () => {
    await vault.policy("one", 'path "kv/x" { capabilities = ["read"] }');
    await vault.policy("two", 'path "kv/x" { capabilities = ["list"] }');
    await vault.policy("no", 'path "kv/x" { capabilities = ["deny"] }');
    expect(await capabilitiesOf(["one", "two"], "kv/x")).toEqual([
      "list",
      "read",
    ]);
    expect(await capabilitiesOf(["one", "two", "no"], "kv/x")).toEqual([
      "deny",
    ]);
    expect(await capabilitiesOf(["no", "one"], "kv/x")).toEqual(["deny"]);
  });

  test("a deny on a prefix doesn't reach a more exact rule of another policy", async () => {
    await vault.policy("wide", 'path "kv/*" { capabilities = ["deny"] }');
    await vault.policy("narrow", 'path "kv/ok" { capabilities = ["read"] }');
    const { id } = await vault.token({ policies: ["wide", "narrow"] });
    expect(
      at(
        await vault.done("POST", "sys/capabilities-self", {
          token: id,
          body: { paths: ["kv/ok", "kv/other"] },
        }),
        "data",
      ),
    ).toEqual({ "kv/ok": ["read"], "kv/other": ["deny"] });
  });

  test("the lesser of two wrapping TTLs holds", async () => {
    await vault.done("POST", "secret/data/wrapme", {
      body: { data: { a: "1" } },
    });
    await vault.policy(
      "longer",
      'path "secret/data/wrapme" { capabilities = ["read"] max_wrapping_ttl = "90s" min_wrapping_ttl = 30 }',
    );
    await vault.policy(
      "shorter",
      'path "secret/data/wrapme" { capabilities = ["read"] max_wrapping_ttl = 60 min_wrapping_ttl = "10s" }',
    );
    const { id: token } = await vault.token({
      policies: ["longer", "shorter"],
    });
    const path = "secret/data/wrapme";
    await vault.refused("GET", path, 403, denied, { token });
    await vault.refused("GET", path, 403, denied, { token, wrap: "9s" });
    await vault.refused("GET", path, 403, denied, { token, wrap: "61s" });
    await vault.done("GET", path, { token, wrap: "10s" });
    await vault.done("GET", path, { token, wrap: "60s" });
  });

  test("a policy that isn't there grants nothing and is warned about", async () => {
    const made = await vault.token({
      policies: ["nosuch-policy"],
      no_default_policy: true,
    });
    expect(made.warnings).toEqual(['Policy "nosuch-policy" does not exist']);
    await vault.refused("GET", "secret/data/x", 403, denied, {
      token: made.id,
    });
  });

  test("a changed policy counts at once for tokens that have it", async () => {
    await vault.policy("changing", 'path "kv/x" { capabilities = ["read"] }');
    expect(await capabilitiesOf(["changing", "default"], "kv/x")).toEqual([
      "read",
    ]);
    await vault.policy("changing", 'path "kv/x" { capabilities = ["update"] }');
    expect(await capabilitiesOf(["changing", "default"], "kv/x")).toEqual([
      "update",
    ]);
  });
});

describe("parameters in policies", () => {
  const path = "cubbyhole/params";
  const write = async (rule: string, body: unknown): Promise<number> => {
    await vault.policy(
      "params",
      `path "${path}" { capabilities = ["create", "update"] ${rule} }`,
    );
    const { id: token } = await vault.token({
      policies: ["params"],
      no_default_policy: true,
    });
    return (await vault.ask("POST", path, { token, body })).status;
  };

  test.each([
    ['allowed_parameters = { "a" = [] }', { a: "any" }, 204],
    ['allowed_parameters = { "a" = [] }', { b: "any" }, 403],
    ['allowed_parameters = { "a" = ["x", "y"] }', { a: "y" }, 204],
    ['allowed_parameters = { "a" = ["x", "y"] }', { a: "z" }, 403],
    ['allowed_parameters = { "a" = ["pre*"] }', { a: "prefix" }, 204],
    ['allowed_parameters = { "a" = ["*fix"] }', { a: "suffix" }, 204],
    ['allowed_parameters = { "A" = ["x"] }', { a: "x" }, 204],
    ['allowed_parameters = { "*" = [] }', { any: "thing" }, 204],
    ['allowed_parameters = { "a" = ["x"], "*" = [] }', { b: "1" }, 204],
    ['allowed_parameters = { "a" = ["x"], "*" = [] }', { a: "1" }, 403],
    ['allowed_parameters = { "a" = [true] }', { a: true }, 204],
    ['allowed_parameters = { "a" = [1] }', { a: 1 }, 403],
    ['denied_parameters = { "a" = [] }', { a: "1" }, 403],
    ['denied_parameters = { "a" = ["x"] }', { a: "1" }, 204],
    ['denied_parameters = { "a" = ["x"] }', { a: "x" }, 403],
    ['denied_parameters = { "*" = [] }', { b: "1" }, 403],
    ['required_parameters = ["a"]', { a: "1" }, 204],
    ['required_parameters = ["a"]', { b: "1" }, 403],
    ['required_parameters = ["a", "b"]', { a: "1" }, 403],
  ] as const)("%s with %j is %i", async (rule, body, status) => {
    expect(await write(rule, body)).toBe(status);
  });
});

describe("the text of policies", () => {
  test("comments, commas, JSON, base64 and the old words are understood", async () => {
    const texts: Record<string, string> = {
      comments:
        '# one\n// two\n/* three\n */ path "kv/x" { # four\n capabilities = [ "read", ] // five\n}',
      json: '{"path":{"kv/x":{"capabilities":["read"]}}}',
      base64: Buffer.from('path "kv/x" { capabilities = ["read"] }').toString(
        "base64",
      ),
      assigned: 'path "kv/x" = { capabilities = ["read"], comment = "why" }',
      named: 'name = "other"\npath "kv/x" { policy = "read" }',
    };
    for (const [name, policy] of Object.entries(texts)) {
      await vault.policy(`text-${name}`, policy);
      const { id } = await vault.token({ policies: [`text-${name}`] });
      const answer = await vault.done("POST", "sys/capabilities-self", {
        token: id,
        body: { paths: ["kv/x"] },
      });
      expect(at(answer, "data.capabilities"), name).toContain("read");
    }
  });

  test.each([
    [
      'path "a" { capabilities = ["fly"] }',
      'failed to parse policy: path "a": invalid capability "fly"',
    ],
    [
      'path "a" { policy = "fly" }',
      'failed to parse policy: path "a": invalid policy "fly"',
    ],
    [
      'path "a" {\n  capability = ["read"]\n}',
      'failed to parse policy: 1 error occurred:\n\t* path "a": invalid key "capability" on line 2\n\n',
    ],
    [
      'rules = "x"',
      'failed to parse policy: 1 error occurred:\n\t* invalid key "rules" on line 1\n\n',
    ],
    [
      'path "a/+*" { capabilities = ["read"] }',
      "failed to parse policy: path \"a/+*\": invalid use of wildcards ('+*' is forbidden)",
    ],
    [
      'path "a" { capabilities = ["read"] min_wrapping_ttl = "5s" max_wrapping_ttl = "1s" }',
      "failed to parse policy: max_wrapping_ttl cannot be less than min_wrapping_ttl",
    ],
    [
      'path "a" { capabilities = ["read"] max_wrapping_ttl = "soon" }',
      'failed to parse policy: error parsing max_wrapping_ttl: strconv.ParseInt: parsing "soon": invalid syntax',
    ],
  ])("%s is refused", async (policy, error) => {
    await vault.refused("PUT", "sys/policies/acl/bad", 400, error, {
      body: { policy },
    });
  });

  test("broken text is refused, and so is none", async () => {
    const { status, json } = await vault.ask("PUT", "sys/policies/acl/bad", {
      body: { policy: 'path "a" {' },
    });
    expect(status).toBe(400);
    expect(String(at(json, "errors.0"))).toMatch(/^failed to parse policy: /);
    await vault.refused(
      "PUT",
      "sys/policies/acl/bad",
      400,
      "'policy' parameter not supplied or empty",
      { body: {} },
    );
  });

  test("root, response-wrapping and default are guarded; names are in lower case", async () => {
    const body = { policy: 'path "a" { capabilities = ["read"] }' };
    await vault.refused(
      "PUT",
      "sys/policies/acl/root",
      400,
      'cannot update "root" policy',
      { body },
    );
    await vault.refused(
      "PUT",
      "sys/policies/acl/response-wrapping",
      400,
      'cannot update "response-wrapping" policy',
      { body },
    );
    await vault.refused(
      "DELETE",
      "sys/policies/acl/default",
      400,
      "cannot delete default policy",
    );
    await vault.policy("MixedCase", body.policy);
    const read = await vault.done("GET", "sys/policies/acl/mixedcase");
    expect(at(read, "data")).toEqual({
      name: "mixedcase",
      policy: body.policy,
    });
    await vault.done("DELETE", "sys/policies/acl/mixedcase");
    await vault.refused("GET", "sys/policies/acl/mixedcase", 404, undefined);
  });

  test("sys/policy is the same store under its old names", async () => {
    const rules = 'path "a" { capabilities = ["read"] }';
    const written = await vault.done("PUT", "sys/policy/old", {
      body: { rules },
    });
    expect(at(written, "warnings")).toEqual([
      "'rules' is deprecated, please use 'policy' instead",
    ]);
    const read = await vault.done("GET", "sys/policy/old");
    expect(read).toMatchObject({
      name: "old",
      rules,
      data: { name: "old", rules },
    });
    const all = await vault.done("GET", "sys/policy");
    expect(at(all, "policies")).toContain("old");
    expect(at(all, "data.keys")).toEqual(at(all, "data.policies"));
  });
});

tokenContract(() => ({ vault, subject }));
wrappingContract(() => ({ vault, subject }));
engineContract(() => ({ vault, subject }));
makerContract(() => ({ vault, subject }));
loginContract(() => ({ vault, subject }));
secretIdContract();
