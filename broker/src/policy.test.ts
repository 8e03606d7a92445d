import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadPolicy, PolicyError } from "./policy.ts";
import type { Policy } from "./policy.ts";

const load = (document: unknown): Policy =>
  loadPolicy(JSON.stringify(document), "policy.json");

function faultsOf(text: string): readonly string[] {
  try {
    loadPolicy(text, "policy.json");
  } catch (error) {
    expect(error).toBeInstanceOf(PolicyError);
    return error instanceof PolicyError ? error.faults : [];
  }
  throw new Error("the document was accepted");
}

describe("a good document", () => {
  test("gives every field its place and its default", () => {
    const policy = load({
      web: {
        role: "vaultbuddy-web",
        policies: ["web"],
        ttl: "1h",
        num_uses: 4,
        renewable: true,
        meta: { team: "a" },
        wrap_ttl: 30,
        port: 9300,
        proof: "hmac",
        transport: "plain",
        listener: "proven",
        secrets: ["secret/web"],
        env: { DB_PASSWORD: "secret/db#password" },
        restart: { max: 5, min_interval: "90s" },
        require: {
          overrides: "allow",
          exec: "allow",
          group: "service:web",
          clusters: ["arn:aws:ecs:eu-west-1:123456789012:cluster/prod-*"],
          launchType: ["EC2"],
          images: ["docker.io/library/nginx@sha256:*"],
          startedBy: ["ecs-svc/*"],
        },
      },
      plain: {},
    });
    expect(policy.match("web", "app")).toMatchObject({
      pattern: "web",
      role: "vaultbuddy-web",
      policies: ["web"],
      ttl: 3600,
      numUses: 4,
      meta: new Map([["team", "a"]]),
      wrapTtl: 30,
      port: 9300,
      transport: "plain",
      secrets: {
        paths: ["secret/web"],
        env: new Map([["DB_PASSWORD", "secret/db#password"]]),
      },
      restart: { max: 5, minInterval: 90_000 },
      require: { overrides: "allow", exec: "allow", group: ["service:web"] },
    });
    expect(policy.match("plain", "app")).toEqual({
      pattern: "plain",
      source: "policy.json",
      role: undefined,
      policies: ["default"],
      ttl: 3600,
      numUses: 0,
      meta: new Map(),
      wrapTtl: undefined,
      port: undefined,
      proof: "hmac",
      transport: "tls",
      listener: "proven",
      secrets: { paths: [], env: new Map() },
      require: { overrides: "deny", exec: "deny" },
      restart: undefined,
    });
  });

  test("may be empty, and then gives nobody anything", () => {
    expect(load({}).match("web", "app")).toBeUndefined();
  });

  test("may have families that are called like parts of every object", () => {
    const policy = loadPolicy(
      '{"__proto__": {"role": "p"}, "constructor": {"role": "c"}}',
      "x",
    );
    expect(policy.match("__proto__", "app")?.role).toBe("p");
    expect(policy.match("constructor", "app")?.role).toBe("c");
    expect(policy.match("toString", "app")).toBeUndefined();
    expect(policy.match("hasOwnProperty", "app")).toBeUndefined();
  });
});

describe("the rule that wins", () => {
  const keys = [
    "*",
    "web",
    "web-*",
    "web-api-*",
    "web-api-v1",
    "*/proxy",
    "web/*",
    "web/app",
  ];
  const policy = load(Object.fromEntries(keys.map((key) => [key, {}])));

  test.each([
    ["other", "app", "*"],
    ["web", "app", "web/app"],
    ["web", "side", "web/*"],
    ["web-x", "app", "web-*"],
    ["web-api-v2", "app", "web-api-*"],
    ["web-api-v1", "app", "web-api-v1"],
    ["web-api-v1", "proxy", "*/proxy"],
    ["web", "proxy", "*/proxy"],
  ])("for %s/%s is %s", (family, container, pattern) => {
    expect(policy.match(family, container)?.pattern).toBe(pattern);
  });

  test("is the same whatever the order of the document", () => {
    const names = ["other", "web", "web-x", "web-api-v1", "web-api-v2"];
    fc.assert(
      fc.property(
        fc.shuffledSubarray(keys, { minLength: keys.length }),
        (order) => {
          const shuffled = load(
            Object.fromEntries(order.map((key) => [key, {}])),
          );
          for (const name of names) {
            for (const container of ["app", "proxy", "side"]) {
              expect(shuffled.match(name, container)?.pattern).toBe(
                policy.match(name, container)?.pattern,
              );
            }
          }
        },
      ),
    );
  });
});

describe("a document with faults", () => {
  test("is told all of them at once, each with its place", () => {
    expect(
      faultsOf(
        JSON.stringify({
          web: {
            polices: ["web"],
            policies: ["web", "web", "root", 7],
            ttl: 0,
            num_uses: 2.5,
            renewable: "yes",
            meta: { task_arn: "mine", ok: 1 },
            wrap_ttl: 121,
            port: 0,
            proof: "rsa",
            transport: "udp",
            secrets: ["/secret/web", "secret/../x"],
            env: { "1A": "secret/db#password", B: "secret/db" },
            multi_fetch: true,
            restart: { max: 0, min_interval: "soon", often: true },
            require: {
              images: [
                "nginx@sha256:*",
                "docker.io/library/nginx:1@sha256:*",
                "docker.io/library/nginx",
              ],
              clusters: ["arn:aws:ecs:*:123456789012:cluster/x"],
              launchType: "EC3",
              overrides: "maybe",
            },
          },
          batch: null,
          list: [],
          "a**b": {},
          "a/b/c": {},
          "": {},
          "few-uses": { num_uses: 2, secrets: ["secret/a"] },
          fixed: { renewable: false },
          limit: { multi_fetch_limit: 2 },
          open: { listener: "unproven" },
        }),
      ),
    ).toEqual([
      "web.policies[1]: stands in the list twice",
      "web.policies[2]: must be a Vault policy's name, and never root",
      "web.policies[3]: must be text",
      "web.ttl: must be 1 to 2147483647 whole seconds, as a number or as a duration such as 90s or 2m",
      "web.num_uses: must be a whole number from 0 to 1000000",
      "web.renewable: must be true or false",
      "web.meta.ok: must be text",
      "web.meta.task_arn: is written by the broker itself",
      "web.wrap_ttl: must be 1 to 120 whole seconds, as a number or as a duration such as 90s or 2m",
      "web.port: must be a whole number from 1 to 65535",
      "web.proof: must be one of hmac, ed25519",
      "web.transport: must be one of tls, plain",
      "web.secrets[0]: must be a Vault path such as secret/web",
      "web.secrets[1]: must be a Vault path such as secret/web",
      "web.env.1A: the name: must be the name of an environment variable",
      "web.env.B: must be a path and a key such as secret/db#password",
      "web.require.overrides: must be one of deny, allow",
      expect.stringMatching(
        /^web\.require\.clusters\[0\]: must be a cluster ARN/,
      ),
      "web.require.launchType: must be one of EC2, FARGATE, EXTERNAL, MANAGED_INSTANCES",
      expect.stringMatching(/^web\.require\.images\[0\]: must be a glob such/),
      expect.stringMatching(/^web\.require\.images\[1\]: must be a glob such/),
      expect.stringMatching(/^web\.require\.images\[2\]: must be a glob such/),
      "web.multi_fetch: is not available: a container gets one token, and another only by restart",
      "web.restart.max: must be a whole number from 1 to 10000",
      "web.restart.min_interval: must be a duration such as 90s, 2m or 1h",
      expect.stringMatching(
        /^web\.restart\.often: is not a known field \(known are/,
      ),
      expect.stringMatching(/^web\.polices: is not a known field/),
      "batch: must be an object",
      "list: must be an object",
      expect.stringMatching(/^a\*\*b: must be a glob over family/),
      expect.stringMatching(/^a\/b\/c: must be a glob over family/),
      expect.stringMatching(/^\(unprintable key\): must be text/),
      "few-uses.num_uses: must be 0 or at least 3: one for each path, one to renew, one to spare",
      "fixed.renewable: must be true or absent: the entrypoint renews the token to its ttl",
      "limit.multi_fetch_limit: is not available: a container gets one token, and another only by restart",
      "open.listener: unproven has a meaning with proof ed25519 only: hmac always proves the listener",
    ]);
  });

  test.each([
    ["", "the document: is not JSON, as line 1, column 1 shows"],
    ["{\n  web: {}\n}", "the document: is not JSON, as line 2, column 3 shows"],
    ["[]", "the document: must be an object"],
    ["null", "the document: must be an object"],
  ])("that is %j", (text, fault) => {
    expect(faultsOf(text)).toEqual([fault]);
  });

  test("a key that stands twice is a fault, however it is written and wherever it stands", () => {
    const text = String.raw`{
      "web": { "ttl": 60, "meta": { "a": "{\"ttl\": 1, \"ttl\": 2}", "b": "x", "a": "y" } },
      "api": { "secrets": ["a", "b"], "require": { "exec": "deny", "exec": "allow" } },
      "w\u0065b": {}
    }`;
    expect(faultsOf(text)).toEqual([
      "web.meta.a: stands in the document twice, the second time in line 2",
      "api.require.exec: stands in the document twice, the second time in line 3",
      "web: stands in the document twice, the second time in line 4",
    ]);
  });

  test("two patterns of one rank that can match one name are a fault", () => {
    expect(
      faultsOf(
        JSON.stringify({
          "a*": {},
          "*b": {},
          "b*": {},
          "web/*a": {},
          "*/pipa": {},
          "w*/app": {},
        }),
      ),
    ).toEqual([
      "*b: can match the same name as a*, and neither is more exact",
      "b*: can match the same name as *b, and neither is more exact",
      "*/pipa: can match the same name as web/*a, and neither is more exact",
    ]);
  });

  test("never holds a value, only its place", () => {
    const text = JSON.stringify({
      web: { role: "s3cr3t value", env: { A: "s3cr3t value" } },
    });
    expect(faultsOf(text).join()).not.toContain("s3cr3t");
  });
});

test("whatever JSON comes, the document is read or refused by name", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), (text) => {
      try {
        loadPolicy(text, "x");
      } catch (error) {
        expect(error).toBeInstanceOf(PolicyError);
      }
    }),
  );
});
