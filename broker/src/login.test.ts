// The broker keeps its token through outages, and stops serving only when it has really ended.

import { Refusal, Secret } from "@vaultbuddy/common";
import { ManualClock } from "@vaultbuddy/common/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { LoginFault, Session } from "./login.ts";
import { appRoleLogin, tokenLogin } from "./login/simple.ts";
import type { LoginDeps, LoginMethod } from "./login.ts";
import { VaultRefused } from "./vault/api.ts";
import type { OwnToken, VaultApi } from "./vault/api.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} };

type Vault = Pick<
  VaultApi,
  "lookupSelf" | "renewSelf" | "login" | "capabilities"
>;

/** A Vault with one token, whose life runs on the test's clock. */
class FakeVault implements Vault {
  readonly #clock: ManualClock;
  down = false;
  refuses = false;
  policies = ["broker"];
  grants = ["update"];
  renewable = true;
  life = 60;
  ends: number;
  logins = 0;
  renewals = 0;

  constructor(clock: ManualClock) {
    this.#clock = clock;
    this.ends = clock.now() + this.life * 1000;
  }

  #own(): OwnToken {
    if (this.down) {
      throw new Refusal("vault_unavailable", "down");
    }
    const ttl = Math.floor((this.ends - this.#clock.now()) / 1000);
    if (this.refuses || ttl <= 0) {
      throw new VaultRefused("it", 403);
    }
    return {
      token: new Secret("t"),
      ttl,
      renewable: this.renewable,
      policies: this.policies,
    };
  }

  lookupSelf(): Promise<OwnToken> {
    return Promise.resolve().then(() => this.#own());
  }

  renewSelf(): Promise<OwnToken> {
    return Promise.resolve().then(() => {
      this.#own();
      this.renewals += 1;
      this.ends = this.#clock.now() + this.life * 1000;
      return this.#own();
    });
  }

  login(): Promise<OwnToken> {
    return Promise.resolve().then(() => {
      this.logins += 1;
      if (!this.down) {
        this.ends = this.#clock.now() + this.life * 1000;
      }
      return this.#own();
    });
  }

  capabilities(
    _token: Secret,
    paths: readonly string[],
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    return Promise.resolve(new Map(paths.map((path) => [path, this.grants])));
  }
}

const token = tokenLogin(() => new Secret("t"));
const approle = appRoleLogin("approle", "r", () => new Secret("s"));

/** What these tests do not ask for is not answered. */
function asked(vault: Vault): VaultApi {
  const never = (): Promise<never> =>
    Promise.reject(new Error("this is not asked for here"));
  return {
    lookupSelf: (t) => vault.lookupSelf(t),
    renewSelf: (t) => vault.renewSelf(t),
    login: (...all) => vault.login(...all),
    capabilities: (t, paths) => vault.capabilities(t, paths),
    lookupWrapping: never,
    unwrap: never,
    cubbyhole: never,
    tokenRole: never,
  };
}

describe("the session", () => {
  let clock: ManualClock;
  let vault: FakeVault;
  let stop: AbortController;
  beforeEach(() => {
    clock = new ManualClock();
    vault = new FakeVault(clock);
    stop = new AbortController();
    return () => stop.abort(new Error("the test has ended"));
  });

  const session = (
    method: LoginMethod,
    more: Partial<LoginDeps> = {},
  ): Session =>
    new Session({
      api: asked(vault),
      method,
      clock,
      log: silent,
      dev: false,
      needs: () => new Map([["auth/token/create/vaultbuddy", ["update"]]]),
      ...more,
    });

  test("is sealed until it has logged in", async () => {
    const one = session(token);
    expect(() => one.token()).toThrow(
      expect.objectContaining({ code: "sealed" }) as Error,
    );
    await one.start(stop.signal);
    expect(one.token().expose()).toBe("t");
  });

  test("waits for a Vault that is away", async () => {
    vault.down = true;
    const one = session(token);
    const started = one.start(stop.signal);
    await clock.advance(20_000);
    expect(one.sealed).toBe(true);
    vault.down = false;
    await clock.advance(15_000);
    await started;
    expect(one.sealed).toBe(false);
  });

  test("does not wait for a credential that Vault refuses", async () => {
    vault.refuses = true;
    await expect(session(token).start(stop.signal)).rejects.toThrow(LoginFault);
  });

  test("refuses a root token, but not with --dev", async () => {
    vault.policies = ["root"];
    await expect(session(token).start(stop.signal)).rejects.toThrow(
      "root token",
    );
    const dev = session(token, { dev: true });
    await dev.start(stop.signal);
    expect(dev.sealed).toBe(false);
  });

  test("refuses a token that cannot do the broker's work", async () => {
    vault.grants = ["read"];
    await expect(session(token).start(stop.signal)).rejects.toThrow(
      "lacks update on auth/token/create/vaultbuddy",
    );
  });

  test("renews for ever", async () => {
    const one = session(token);
    await one.start(stop.signal);
    await clock.advance(600_000);
    expect(one.sealed).toBe(false);
    expect(vault.renewals).toBeGreaterThan(10);
  });

  test("survives an outage shorter than the token's rest, and is sealed by a longer one until Vault is back", async () => {
    const one = session(token);
    await one.start(stop.signal);
    await clock.advance(39_000);
    vault.down = true;
    await clock.advance(15_000);
    expect(one.sealed).toBe(false);
    vault.down = false;
    await clock.advance(10_000);
    expect(one.sealed).toBe(false);
    vault.down = true;
    await clock.advance(90_000);
    expect(one.sealed).toBe(true);
    vault.down = false;
    vault.ends = clock.now() + 60_000;
    await clock.advance(20_000);
    expect(one.sealed).toBe(false);
  });

  test("logs in again by AppRole when renewal cannot go on", async () => {
    const one = session(approle);
    await one.start(stop.signal);
    vault.renewable = false;
    await clock.advance(600_000);
    expect(one.sealed).toBe(false);
    expect(vault.logins).toBeGreaterThan(5);
  });

  test("looks at once when its token is doubted", async () => {
    const one = session(approle);
    await one.start(stop.signal);
    const before = vault.logins;
    vault.ends = 0;
    one.doubt();
    await clock.advance(1);
    expect(vault.logins).toBe(before + 1);
    expect(one.sealed).toBe(false);
  });

  test("does not ask without pause as a token that cannot be renewed ends", async () => {
    vault.renewable = false;
    let count = 0;
    const api = asked({
      lookupSelf: () => {
        count += 1;
        return vault.lookupSelf();
      },
      renewSelf: () => vault.renewSelf(),
      login: () => vault.login(),
      capabilities: (t, p) => vault.capabilities(t, p),
    });
    const one = session(token, { api });
    await one.start(stop.signal);
    await clock.advance(60_000);
    expect(one.sealed).toBe(true);
    expect(count).toBeLessThan(30);
  });
});
