// The settings as a whole: what does not go together is told at the start, all of it at once.

import { generateSigningKey, privatePem } from "@vaultbuddy/common";
import { addSettings, SettingsError } from "@vaultbuddy/common/daemon";
import { Command } from "commander";
import { expect, test } from "vitest";
import { readConfig } from "./config.ts";
import type { BrokerConfig } from "./config.ts";
import { serveSettings } from "./settings.ts";

const files: Readonly<Record<string, string>> = {
  "master.key": `${Buffer.alloc(32, 1).toString("base64url")}\n`,
  "short.key": "c2hvcnQ",
  "signing.pem": privatePem(generateSigningKey()),
  "hmac.json": '{"web":{}}',
  "ed25519.json": '{"web":{"proof":"ed25519"}}',
  "both.json": '{"web":{},"batch":{"proof":"ed25519"}}',
};
const read = (path: string): string => {
  const text = files[path];
  if (text === undefined) {
    throw Object.assign(new Error("none"), { code: "ENOENT" });
  }
  return text;
};

function config(env: Record<string, string>): BrokerConfig {
  const command = new Command("serve");
  addSettings(command, serveSettings);
  return readConfig(
    command,
    {
      VAULT_ADDR: "https://vault:8200",
      VAULT_TOKEN: "hvs.own",
      ALLOWED_CLUSTERS: "arn:aws:ecs:eu-west-1:123456789012:cluster/main",
      ...env,
    },
    read,
  );
}

function faultsOf(env: Record<string, string>): string {
  try {
    config(env);
  } catch (error) {
    expect(error).toBeInstanceOf(SettingsError);
    return error instanceof Error ? error.message : "";
  }
  return "";
}

test.each<[string, Record<string, string>, number, number]>([
  ["masters", { HMAC_KEY_FILE: "master.key" }, 1, 0],
  ["pairs", { SIGNING_KEY_FILE: "signing.pem" }, 0, 1],
])(
  "keys may be %s alone where the policy is read later",
  (_name, env, masters, pairs) => {
    const { keys, keyFiles } = config({
      ...env,
      GATE_POLICIES: "secret/policy",
    });
    expect([keys.masters.length, keys.pairs.length]).toEqual([masters, pairs]);
    expect([keyFiles.masters.length, keyFiles.pairs.length]).toEqual([
      masters,
      pairs,
    ]);
  },
);

test("of each kind that a rule of the policy file asks for there must be a key", () => {
  const masters = { HMAC_KEY_FILE: "master.key" };
  const pairs = { SIGNING_KEY_FILE: "signing.pem" };
  expect(faultsOf({ GATE_POLICIES_FILE: "hmac.json" })).toContain(
    "--hmac-key-file (HMAC_KEY_FILE) or --signing-key-file (SIGNING_KEY_FILE) is required",
  );
  expect(faultsOf({ GATE_POLICIES_FILE: "both.json", ...masters })).toContain(
    "the rule batch is proven by ed25519: --signing-key-file",
  );
  expect(faultsOf({ GATE_POLICIES_FILE: "both.json", ...pairs })).toContain(
    "the rule web is proven by hmac: --hmac-key-file",
  );
  for (const [policy, keys] of [
    ["hmac.json", masters],
    ["ed25519.json", pairs],
    ["both.json", { ...masters, ...pairs }],
  ] as const) {
    expect(faultsOf({ GATE_POLICIES_FILE: policy, ...keys })).toBe("");
  }
});

test("faulty key files are told with every other fault, and not shown", () => {
  const message = faultsOf({
    GATE_POLICIES_FILE: "none.json",
    HMAC_KEY_FILE: "master.key,short.key,none.key",
    SIGNING_KEY_FILE: "master.key",
  });
  for (const part of [
    "short.key: a key must be at least 32 bytes",
    "none.key: cannot be read (ENOENT)",
    "master.key: must be an Ed25519 private key",
    "the policy: cannot be read (ENOENT)",
  ]) {
    expect(message).toContain(part);
  }
  expect(message).not.toContain("c2hvcnQ");
  expect(message).not.toContain(files["master.key"]?.trim());
});
