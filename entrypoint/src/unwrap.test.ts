import { Secret } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { FakeLog, IAT, opened, someDelivery } from "./testing.ts";
import { unwrap } from "./unwrap.ts";
import type { Opened, WrapFacts, WrapPort } from "./unwrap.ts";
import { judge } from "./verify.ts";

const facts: WrapFacts = {
  creationPath: "auth/token/create/vaultbuddy-web",
  creationTime: IAT,
  creationTtl: 60,
};

/** Answers in the order given, and tells what it was asked. */
class FakeVault implements WrapPort {
  readonly asked: string[] = [];
  readonly #lookups: (WrapFacts | "spent" | undefined)[];
  readonly #unwrapped: Opened | "spent" | undefined;

  constructor(
    lookups: (WrapFacts | "spent" | undefined)[],
    unwrapped?: Opened | "spent",
  ) {
    this.#lookups = lookups;
    this.#unwrapped = unwrapped;
  }

  lookup(token: Secret) {
    this.asked.push(`lookup ${token.expose()}`);
    return Promise.resolve(this.#lookups.shift());
  }

  unwrap(token: Secret) {
    this.asked.push(`unwrap ${token.expose()}`);
    return Promise.resolve(this.#unwrapped);
  }

  revoke(token: Secret) {
    this.asked.push(`revoke ${token.expose()}`);
    return Promise.resolve();
  }
}

const open = (vault: FakeVault, now = IAT) => {
  const delivery = someDelivery();
  const { aud, vault: at } = delivery;
  const verified = judge(delivery, { self: aud, vault: at, now: IAT });
  return unwrap(
    verified,
    vault,
    () => now,
    new FakeLog(),
    new AbortController().signal,
  );
};
const refused = (code: string) => expect.objectContaining({ code });

test("a wrapping token is looked up, then opened once", async () => {
  const vault = new FakeVault([facts], opened);
  expect(await open(vault)).toEqual(opened);
  expect(vault.asked).toEqual(["lookup hvs.wrapping", "unwrap hvs.wrapping"]);
});

test.each([
  ["made elsewhere", { creationPath: "sys/wrapping/wrap" }],
  ["made for longer", { creationTtl: 61 }],
  ["made 61 s before", { creationTime: IAT - 60.5 }],
  ["made 61 s after", { creationTime: IAT + 61 }],
  ["made at no time", { creationTime: Number.NaN }],
])("a wrapping token that was %s is not opened", async (_name, change) => {
  const vault = new FakeVault([{ ...facts, ...change }], opened);
  await expect(open(vault)).rejects.toEqual(refused("wrong_creation_path"));
  expect(vault.asked).toEqual(["lookup hvs.wrapping"]);
});

test.each([
  ["spent at the lookup", ["spent"], undefined],
  ["spent at the unwrapping", [facts], "spent"],
  ["spent by an unwrapping whose answer was lost", [facts, "spent"], undefined],
] as const)(
  "a token %s was opened by somebody",
  async (_name, lookups, unwrapped) => {
    const vault = new FakeVault([...lookups], unwrapped);
    await expect(open(vault)).rejects.toEqual(refused("already_unwrapped"));
    expect(
      vault.asked.filter((ask) => ask.startsWith("unwrap")).length,
    ).toBeLessThan(2);
  },
);

test("a token that is gone after its life is expired, and nobody is accused", async () => {
  await expect(open(new FakeVault(["spent"]), IAT + 61)).rejects.toEqual(
    refused("expired"),
  );
});

test.each([
  ["the lookup", [undefined]],
  ["the unwrapping, and the token is unspent", [facts, facts]],
  ["the unwrapping and the lookup after it", [facts, undefined]],
])(
  "when Vault does not answer %s, the same delivery may come again",
  async (_name, lookups) => {
    await expect(open(new FakeVault(lookups))).rejects.toEqual(
      refused("vault_unavailable"),
    );
  },
);

test("another token inside than the one that was wrapped is ended", async () => {
  const vault = new FakeVault([facts], { ...opened, accessor: "another" });
  await expect(open(vault)).rejects.toEqual(refused("already_unwrapped"));
  expect(vault.asked.at(-1)).toBe("revoke hvs.inner");
});
