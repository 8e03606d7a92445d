import { isNoticeRefusal } from "@vaultbuddy/common";
import type { SecretPlan } from "@vaultbuddy/common";
import { describe, expect, test } from "vitest";
import { parseDefinition } from "../ecs/definition.ts";
import { loadPolicy } from "../policy.ts";
import { secretsOf } from "./consent.ts";
import { imageIdentity } from "./image.ts";

function plan(
  rule: Record<string, unknown>,
  labels: Record<string, string>,
): SecretPlan {
  const { containers } = parseDefinition({
    taskDefinition: {
      taskDefinitionArn:
        "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1",
      containerDefinitions: [{ name: "app", dockerLabels: labels }],
    },
  });
  const [definition] = containers;
  const found = loadPolicy(JSON.stringify({ web: rule }), "x").match(
    "web",
    "app",
  );
  if (definition === undefined || found === undefined) {
    throw new Error("no rule or no container");
  }
  return secretsOf(found, definition);
}

function refusalOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(isNoticeRefusal(error) && error.code).toBe("policy_denied");
    return error instanceof Error ? error.message : "";
  }
  throw new Error("it was allowed");
}

describe("where the secrets stand", () => {
  test("a token with too few uses for what labels add is refused before it is made", () => {
    const rule = { num_uses: 3, secrets: ["secret/rule"] };
    expect(plan(rule, {}).paths).toEqual(["secret/rule"]);
    expect(
      refusalOf(() => plan(rule, { "vaultbuddy.secrets": "secret/label" })),
    ).toContain("num_uses must be 0 or at least 4");
  });

  test("labels add paths and variables, and the rule's own variables win", () => {
    const { paths, env } = plan(
      {
        secrets: ["secret/rule", "secret/both"],
        env: { A: "secret/rule#a" },
      },
      {
        "vaultbuddy.enable": "true",
        "vaultbuddy.secrets": "secret/both, secret/label",
        "vaultbuddy.env.A": "secret/label#a",
        "vaultbuddy.env.B": "secret/label#b c",
        "com.example.other": "ignored",
      },
    );
    expect(paths).toEqual(["secret/rule", "secret/both", "secret/label"]);
    expect([...env]).toEqual([
      ["A", "secret/rule#a"],
      ["B", "secret/label#b c"],
    ]);
  });

  test.each([
    ["vaultbuddy.secrets", ""],
    ["vaultbuddy.secrets", "secret/a,,secret/b"],
    ["vaultbuddy.secrets", "secret/../sys/raw"],
    ["vaultbuddy.secrets", "/secret/a"],
    ["vaultbuddy.env.A", "secret/a"],
    ["vaultbuddy.env.A", "secret/../a#b"],
    ["vaultbuddy.env.1A", "secret/a#b"],
    ["vaultbuddy.env.", "secret/a#b"],
  ])("a malformed label is named: %s=%j", (label, value) => {
    const message = refusalOf(() => plan({}, { [label]: value }));
    expect(message).toContain(`dockerLabel ${label} `);
    expect(message).not.toContain("sys/raw");
  });

  test("a label with a name that cannot be shown is not shown", () => {
    expect(
      refusalOf(() => plan({}, { "vaultbuddy.env.\u001b[2J": "secret/a#b" })),
    ).toContain("dockerLabel vaultbuddy.env.… ");
  });

  test("rule and labels together are as bounded as a delivery is", () => {
    const many = Array.from({ length: 64 }, (_, i) => `secret/${i}`).join();
    expect(plan({}, { "vaultbuddy.secrets": many }).paths).toHaveLength(64);
    expect(
      refusalOf(() =>
        plan({ secrets: ["secret/own"] }, { "vaultbuddy.secrets": many }),
      ),
    ).toContain("more than 64 paths");
  });
});

describe("an image's identity", () => {
  const digest = `sha256:${"ab".repeat(32)}`;
  test.each([
    ["nginx", "docker.io/library/nginx"],
    ["nginx:1.27", "docker.io/library/nginx"],
    ["team/app:2", "docker.io/team/app"],
    ["docker.io/nginx", "docker.io/library/nginx"],
    ["index.docker.io/team/app", "docker.io/team/app"],
    ["localhost/app", "localhost/app"],
    ["localhost:5000/app:v1", "localhost:5000/app"],
    ["registry:5000/a/b/c:v1", "registry:5000/a/b/c"],
    ["Registry.Example.com/app", "registry.example.com/app"],
    [
      "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:7",
      "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web",
    ],
    [`nginx:1@sha256:${"00".repeat(32)}`, "docker.io/library/nginx"],
  ])("%s is %s", (image, name) => {
    expect(imageIdentity(image, digest)).toBe(`${name}@${digest}`);
  });

  test.each([
    ["nginx", undefined],
    ["nginx", "latest"],
    ["nginx", "sha256:zz"],
    ["", digest],
    ["nginx\nfoo", digest],
  ])("%j with digest %j has none", (image, given) => {
    expect(imageIdentity(image, given)).toBeUndefined();
  });
});
