// Keys must derive to the same bit on both sides, for ever: the vector is part of the protocol.

import { expect, test } from "vitest";
import { deriveFamilyKey, derivePsk, familyKey, parseKey } from "./keys.ts";
import { SecretBytes } from "./secret.ts";

const master = new SecretBytes(
  Uint8Array.from({ length: 32 }, (_, index) => index),
);

test("the published vector derives to the published key, kid and PSK", () => {
  const key = deriveFamilyKey(master, "123456789012", "web");
  expect(key.key.expose().toString("base64url")).toBe(
    "PPdRfsVlbj5U9fa46RKkketChkYaZ1HsDQnA8dA1ZeQ",
  );
  expect(key.kid).toBe("f26f0b38e7039b8a");
  expect(derivePsk(key.key).expose().toString("base64url")).toBe(
    "-9gmjTjIH12xhqMvPG0Z_rngJmBtgbO_bq1sqYNdgCs",
  );
});

test("a container that reads its key gets the kid the broker signs with", () => {
  const broker = deriveFamilyKey(master, "123456789012", "web");
  const container = familyKey(
    parseKey(`${broker.key.expose().toString("base64url")}\n`),
  );
  expect(container.kid).toBe(broker.kid);
});

test("families and accounts do not share a key", () => {
  const kids = [
    deriveFamilyKey(master, "123456789012", "web"),
    deriveFamilyKey(master, "123456789012", "web2"),
    deriveFamilyKey(master, "210987654321", "web"),
  ].map((key) => key.kid);
  expect(new Set(kids).size).toBe(3);
});

test.each([
  ["empty", ""],
  ["too short", Buffer.alloc(31).toString("base64url")],
  ["plain base64", `${"A".repeat(42)}+/`],
  ["with a space in it", `${"A".repeat(20)} ${"A".repeat(23)}`],
  ["with stray bits at its end", `${"A".repeat(42)}B`],
])("a key that is %s is refused without being repeated", (_name, text) => {
  expect(() => parseKey(text)).toThrow(RangeError);
  if (text.length > 5) {
    expect(() => parseKey(text)).not.toThrow(
      new RegExp(text.slice(0, 10).replace(/\W/g, ".")),
    );
  }
});
