// A wrapping token opens once: what went wrong is told apart from what somebody did.

import { Refusal, Secret } from "@vaultbuddy/common";
import { beforeEach, describe, expect, test } from "vitest";
import { silent } from "../testing.ts";
import { VaultRefused } from "../vault/api.ts";
import type { OwnToken, VaultApi } from "../vault/api.ts";
import { LoginFault } from "./method.ts";
import { wrappedLogin } from "./wrapped.ts";

/** A Vault that has one wrapping token. */
class FakeVault {
  open = false;
  madeAt = "auth/token/create";
  /** The answer to the next unwrap gets lost: before Vault did anything, or after. */
  lost: "before" | "after" | undefined;
  ended = false;
  opened = 0;

  lookupWrapping(): Promise<string> {
    return this.open
      ? Promise.reject(new VaultRefused("it", 400))
      : Promise.resolve(this.madeAt);
  }

  unwrap(): Promise<OwnToken> {
    const { lost } = this;
    this.lost = undefined;
    if (lost !== "before") {
      if (this.open) {
        return Promise.reject(new VaultRefused("it", 400));
      }
      this.open = true;
      this.opened += 1;
    }
    return lost === undefined
      ? Promise.resolve(own)
      : Promise.reject(new Refusal("vault_unavailable", "lost"));
  }

  lookupSelf(): Promise<OwnToken> {
    return this.ended
      ? Promise.reject(new VaultRefused("it", 403))
      : Promise.resolve(own);
  }
}

const own: OwnToken = {
  token: new Secret("s.inside"),
  ttl: 60,
  renewable: true,
  policies: ["p"],
};

describe("a wrapped token", () => {
  let vault: FakeVault;
  let text: string;
  let alarms: string[];
  beforeEach(() => {
    vault = new FakeVault();
    text = "s.wrapping";
    alarms = [];
  });

  const method = wrappedMethod();
  function wrappedMethod(): () => () => Promise<OwnToken> {
    return () => {
      const login = wrappedLogin({
        token: () => new Secret(text),
        madeAt: [(path) => path === "auth/token/create"],
      });
      const log = {
        ...silent,
        fatal: (_fields: unknown, message?: string): void => {
          alarms.push(message ?? "");
        },
      };
      const never = (): Promise<never> => Promise.reject(new Error("no"));
      const api: VaultApi = {
        lookupSelf: () => vault.lookupSelf(),
        lookupWrapping: () => vault.lookupWrapping(),
        unwrap: () => vault.unwrap(),
        renewSelf: never,
        login: never,
        cubbyhole: never,
        capabilities: never,
        tokenRole: never,
      };
      return () => login.login(api, log);
    };
  }

  test("is opened once however often the login is repeated", async () => {
    const login = method();
    expect(await login()).toBe(own);
    expect(await login()).toBe(own);
    expect(vault.opened).toBe(1);
  });

  test("is opened after an answer that was lost before Vault did anything", async () => {
    const login = method();
    vault.lost = "before";
    await expect(login()).rejects.toThrow(Refusal);
    expect(await login()).toBe(own);
    expect(alarms).toEqual([]);
  });

  test("is no alarm when this broker opened it and the answer was lost", async () => {
    const login = method();
    vault.lost = "after";
    await expect(login()).rejects.toThrow(Refusal);
    await expect(login()).rejects.toThrow("opened by this broker");
    expect(alarms).toEqual([]);
  });

  test("is an alarm when it was open before, once for each", async () => {
    const login = method();
    vault.open = true;
    await expect(login()).rejects.toThrow("ALARM");
    await expect(login()).rejects.toThrow(LoginFault);
    expect(alarms).toHaveLength(1);
    text = "s.another";
    await expect(login()).rejects.toThrow("ALARM");
    expect(alarms).toHaveLength(2);
  });

  test("stays closed when it was made elsewhere", async () => {
    vault.madeAt = "sys/wrapping/wrap";
    await expect(method()()).rejects.toThrow("made at sys/wrapping/wrap");
    expect([vault.open, alarms.length]).toEqual([false, 1]);
  });

  test("says that a new one is needed when the token inside has ended, and takes it", async () => {
    const login = method();
    await login();
    vault.ended = true;
    await expect(login()).rejects.toThrow("give a new wrapping token");
    text = "s.another";
    vault.open = false;
    expect(await login()).toBe(own);
    expect(vault.opened).toBe(2);
  });
});
