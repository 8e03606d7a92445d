import { Refusal } from "@vaultbuddy/common";
import { ManualClock } from "@vaultbuddy/common/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { FakeVault } from "./claim/testing.ts";
import { end, wrappingOf } from "./revoke.ts";
import type { Revoker } from "./revoke.ts";

let clock: ManualClock;
let vault: FakeVault;

beforeEach(() => {
  clock = new ManualClock();
  vault = new FakeVault(clock);
});

describe("the end of an accessor", () => {
  test("is asked for and then looked up", async () => {
    const { accessor } = vault.mint();
    await end(accessor, vault, clock);
    expect(vault.asked).toEqual([`revoke ${accessor}`, `lookup ${accessor}`]);
  });

  test("that has come before is no failure, whatever the revocation answers", async () => {
    const picky: Revoker = {
      lookupAccessor: (accessor) => vault.lookupAccessor(accessor),
      revokeAccessor: () =>
        Promise.reject(new Error("400 invalid accessor, as some versions say")),
    };
    await end("unknown", picky, clock);
  });

  test("is not believed of a token that still lives, and is looked up only so often", async () => {
    const { accessor } = vault.mint();
    vault.stubborn = true;
    const failed = expect(end(accessor, vault, clock)).rejects.toMatchObject({
      code: "vault_unavailable",
    });
    await clock.advance(1000);
    await failed;
    expect(vault.asked.filter((ask) => ask.startsWith("lookup"))).toHaveLength(
      5,
    );
  });

  test("may be seen a moment late", async () => {
    const { accessor } = vault.mint();
    vault.stubborn = true;
    const ended = end(accessor, vault, clock);
    await clock.advance(60);
    vault.alive.delete(accessor);
    await clock.advance(60);
    await ended;
  });

  test("is not assumed while Vault is down, and keeps Vault's code", async () => {
    const { accessor } = vault.mint();
    vault.down = true;
    await expect(end(accessor, vault, clock)).rejects.toMatchObject({
      code: "vault_unavailable",
    });
    const sealed: Revoker = {
      lookupAccessor: async () => "alive",
      revokeAccessor: () => Promise.reject(new Refusal("sealed", "no token")),
    };
    await expect(end(accessor, sealed, clock)).rejects.toMatchObject({
      code: "sealed",
    });
  });

  test("is not taken from an error of the library, nor is its text", async () => {
    const broken: Revoker = {
      lookupAccessor: async () => "alive",
      revokeAccessor: () => Promise.reject(new Error("marked-text")),
    };
    const failure = await end("a", broken, clock).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: "vault_unavailable" });
    expect(String(failure)).not.toContain("marked-text");
  });
});

describe("a wrapping token whose inner token is gone", () => {
  test("is there", async () => {
    expect(await wrappingOf(vault.mint(), vault, clock)).toBe("there");
  });

  test("was opened when it is gone before its time, or hardly after", async () => {
    const token = vault.mint();
    vault.open(token);
    expect(await wrappingOf(token, vault, clock)).toBe("opened");
    await clock.advance(61_999);
    expect(await wrappingOf(token, vault, clock)).toBe("opened");
  });

  test("has expired when it is gone after its time", async () => {
    const token = vault.mint();
    vault.open(token);
    await clock.advance(62_000);
    expect(await wrappingOf(token, vault, clock)).toBe("expired");
  });

  test("is not judged while Vault is down", async () => {
    vault.down = true;
    await expect(wrappingOf(vault.mint(), vault, clock)).rejects.toMatchObject({
      code: "vault_unavailable",
    });
  });
});
