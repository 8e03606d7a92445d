// What `keys` prints is what both sides work with.

import { randomBytes } from "node:crypto";
import { deriveFamilyKey, parseKey } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { deriveForContainer, deriveSettings, generateMaster } from "./keys.ts";

test("a generated master is a key, and never the same twice", () => {
  const master = generateMaster(randomBytes);
  expect(parseKey(master).expose()).toHaveLength(32);
  expect(generateMaster(randomBytes)).not.toBe(master);
});

test("what is derived for a container is what the broker signs with", () => {
  const master = generateMaster(randomBytes);
  const derived = deriveForContainer(`${master}\n`, "123456789012", "web");
  expect(parseKey(derived).expose()).toEqual(
    deriveFamilyKey(parseKey(master), "123456789012", "web").key.expose(),
  );
});

test("a short account, a family with a slash and a short master are refused", () => {
  expect(() => deriveSettings.account.parse("1234")).toThrow("twelve digits");
  expect(() => deriveSettings.family.parse("web/app")).toThrow("family");
  expect(() => deriveForContainer("AAAA", "123456789012", "web")).toThrow(
    RangeError,
  );
});
