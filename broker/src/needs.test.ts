// What the broker's token must be able to do, and what its token roles must say.

import { Secret } from "@vaultbuddy/common";
import { describe, expect, test } from "vitest";
import { inspectRoles, needsAlways, needsOfRules } from "./needs.ts";
import { loadPolicy } from "./policy.ts";
import { silent } from "./testing.ts";
import { VaultRefused } from "./vault/api.ts";
import type { TokenRole } from "./vault/api.ts";

const policy = loadPolicy(
  JSON.stringify({
    web: { ttl: 600 },
    batch: { role: "vaultbuddy-batch", ttl: 7200 },
    "batch-*": { role: "vaultbuddy-batch", ttl: 60 },
  }),
  "test",
);
const good: TokenRole = {
  explicitMaxTtl: 7200,
  orphan: true,
  renewable: true,
  namesPolicies: true,
};

test("every role that a rule names must be usable, and the accessors always", () => {
  expect([...needsAlways("vaultbuddy").keys()]).toEqual([
    "auth/token/create/vaultbuddy",
    "auth/token/revoke-accessor",
    "auth/token/lookup-accessor",
  ]);
  expect([...needsOfRules(policy, "vaultbuddy").keys()]).toEqual([
    "auth/token/create/vaultbuddy",
    "auth/token/create/vaultbuddy-batch",
  ]);
});

describe("a token role", () => {
  /** What is said about the role vaultbuddy-batch, while vaultbuddy is as it should be. */
  async function told(
    batch: TokenRole | number,
    can: readonly string[] = ["read"],
  ): Promise<string[]> {
    const said: string[] = [];
    const tell = ({ role }: { role?: string }, message?: string): void => {
      said.push(`${role ?? ""}: ${message ?? ""}`);
    };
    await inspectRoles(policy, {
      token: new Secret("t"),
      tokenRole: "vaultbuddy",
      log: { ...silent, warn: tell, info: tell },
      api: {
        capabilities: (_, paths) =>
          Promise.resolve(new Map(paths.map((path) => [path, can]))),
        tokenRole: (_, role) => {
          const answer = role === "vaultbuddy" ? good : batch;
          return typeof answer === "number"
            ? Promise.reject(new VaultRefused("it", answer))
            : Promise.resolve(answer);
        },
      },
    });
    return said;
  }

  test("that bounds everything is not talked about", async () => {
    expect(await told(good)).toEqual([]);
  });

  test.each<[string, TokenRole | number, RegExp]>([
    [
      "without an end of its own",
      { ...good, explicitMaxTtl: 0 },
      /vaultbuddy-batch: tokens of this role can be renewed for ever/,
    ],
    [
      "with an end before a rule's ttl",
      { ...good, explicitMaxTtl: 7199 },
      /longer than its role lets a token live/,
    ],
    ["that cannot be renewed", { ...good, renewable: false }, /renewable=true/],
    ["that is no orphan", { ...good, orphan: false }, /orphan=true/],
    [
      "that names no policies",
      { ...good, namesPolicies: false },
      /any policy that the broker itself has/,
    ],
    ["that is missing", 404, /does not exist/],
  ])("%s is warned of", async (_, role, said) => {
    expect(await told(role)).toEqual([expect.stringMatching(said)]);
  });

  test("that may not be read is said to be unknown", async () => {
    expect(await told(good, ["deny"])).toEqual([
      expect.stringMatching(/^vaultbuddy: .*not looked at/),
      expect.stringMatching(/^vaultbuddy-batch: .*not looked at/),
    ]);
  });
});
