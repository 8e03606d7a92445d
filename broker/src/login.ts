// The broker's own Vault token: log in, keep it alive, and stop serving when it is lost. Renewal is tried with back-off
// until the token really ends, because one failed renewal must not stop a cluster; a login that can be repeated
// (AppRole, AWS IAM, userpass) is repeated when the token nears an end no renewal can move. The ways to log in stand in
// login/, a file each.

import { pause, Refusal } from "@vaultbuddy/common";
import type { Clock, Secret } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import { LoginFault } from "./login/method.ts";
import type { LoginMethod } from "./login/method.ts";
import { VaultRefused } from "./vault/api.ts";
import type { OwnToken, VaultApi } from "./vault/api.ts";

export { LoginFault } from "./login/method.ts";
export type { LoginMethod } from "./login/method.ts";

/** By path, capabilities of which one is needed. */
export type Needs = ReadonlyMap<string, readonly string[]>;

export interface LoginDeps {
  readonly api: VaultApi;
  readonly method: LoginMethod;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether a root token is accepted: development only. */
  readonly dev: boolean;
  /** What the broker's token must be able to do now; asked at each login. */
  readonly needs: () => Needs;
}

const RETRY = { first: 500, most: 15_000 };
/** The shortest pause between two looks at the token, in milliseconds. */
const LEAST_REST = 1000;

/** Holds the broker's token. Sealed until {@link Session.start} has succeeded, and again when the token is lost. */
export class Session {
  readonly #deps: LoginDeps;
  #held: { own: OwnToken; ends: number } | undefined;
  #wake: AbortController = new AbortController();

  constructor(deps: LoginDeps) {
    this.#deps = deps;
  }

  /** The broker's token. Throws Refusal `sealed` when there is none that still lives. */
  token(): Secret {
    if (this.sealed || this.#held === undefined) {
      throw new Refusal(
        "sealed",
        "the broker holds no Vault token: see its log for why its login failed",
      );
    }
    return this.#held.own.token;
  }

  get sealed(): boolean {
    return (
      this.#held === undefined ||
      this.#held.ends <= this.#deps.clock.monotonic()
    );
  }

  /** To be told when Vault answered 403 to the token: looks at once whether it still lives. */
  doubt(): void {
    this.#wake.abort();
  }

  /**
   * Logs in, waiting for Vault as long as it is away, then keeps the token alive until `stop` aborts. Resolves
   * after the first login; throws {@link LoginFault} when Vault refuses the credential.
   */
  async start(stop: AbortSignal): Promise<{ kept: Promise<void> }> {
    await this.#login(stop);
    return { kept: this.#keep(stop) };
  }

  async #login(stop: AbortSignal): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const own = await this.#once();
        await this.#inspect(own);
        this.#hold(own);
        this.#deps.log.info(
          { method: this.#deps.method.kind, ttl: own.ttl },
          "logged in to Vault",
        );
        return;
      } catch (error) {
        if (error instanceof VaultRefused) {
          throw new LoginFault(
            `${error.message}: check the credential and that it has not expired`,
          );
        }
        if (!(error instanceof Refusal)) {
          throw error;
        }
        this.#deps.log.warn(
          { err: error, attempt },
          "the login to Vault failed; it is tried again",
        );
      }
      await this.#deps.clock.sleep(
        pause(RETRY, attempt, this.#deps.clock),
        stop,
      );
    }
  }

  #once(): Promise<OwnToken> {
    const { api, method, log } = this.#deps;
    return method.login(api, log);
  }

  /** Fails closed on a root token and on a token that cannot do the broker's work. */
  async #inspect(own: OwnToken): Promise<void> {
    const { api, dev, log, needs } = this.#deps;
    if (own.policies.includes("root")) {
      if (!dev) {
        throw new LoginFault(
          "the broker was given a root token: give it one with the shipped policy (or --dev for development)",
        );
      }
      log.warn({}, "DEVELOPMENT ONLY: the broker works with a root token");
      return;
    }
    const lacking = await lackingIn(api, own.token, needs());
    if (lacking.length > 0) {
      throw new LoginFault(
        `the broker's token lacks ${lacking.join(", ")}: write the shipped policy to Vault`,
      );
    }
  }

  /**
   * What the token the broker holds now cannot do of what is needed, as `update on PATH`. Throws VaultRefused or a
   * Refusal. A root token, which only --dev accepts, can do everything.
   */
  async lacking(needs: Needs): Promise<readonly string[]> {
    return this.#held?.own.policies.includes("root") === true
      ? []
      : await lackingIn(this.#deps.api, this.token(), needs);
  }

  #hold(own: OwnToken): void {
    const life =
      own.ttl === undefined ? Number.POSITIVE_INFINITY : own.ttl * 1000;
    this.#held = { own, ends: this.#deps.clock.monotonic() + life };
  }

  /** Renews at two thirds of the token's life, then ever again until it works or the token has ended. */
  async #keep(stop: AbortSignal): Promise<void> {
    const { log } = this.#deps;
    while (!stop.aborted) {
      await this.#rest(this.#untilRenewal(), stop);
      for (
        let attempt = 0;
        !stop.aborted && !(await this.#renewed());
        attempt += 1
      ) {
        if (this.sealed) {
          log.error(
            { attempt },
            "the broker's Vault token has ended: sealed until a login succeeds",
          );
        }
        await this.#rest(this.#pauseBeforeEnd(attempt), stop);
      }
    }
  }

  /** Grows like any back-off, but never so far that the token ends during it without another try. */
  #pauseBeforeEnd(attempt: number): number {
    const { clock } = this.#deps;
    const left = (this.#held?.ends ?? 0) - clock.monotonic();
    const grown = pause(RETRY, attempt, clock);
    return left > 0 ? Math.min(grown, Math.max(left / 3, LEAST_REST)) : grown;
  }

  #untilRenewal(): number {
    const left = (this.#held?.ends ?? 0) - this.#deps.clock.monotonic();
    return Math.min(Math.max((left * 2) / 3, LEAST_REST), 2 ** 31 - 1);
  }

  /** One try to have a token with a full life again: renewal, or else a new login where the method can repeat one. */
  async #renewed(): Promise<boolean> {
    const { api, method, log } = this.#deps;
    const held = this.#held;
    try {
      if (held !== undefined && !this.sealed) {
        const looked = await api.lookupSelf(held.own.token);
        const renewed = looked.renewable
          ? await api.renewSelf(held.own.token)
          : looked;
        this.#hold(renewed);
        // A renewal that comes back short is near the end that nothing moves (max_ttl): log in anew while there is time.
        if (!method.repeatable || isFull(renewed, held.own)) {
          return true;
        }
      }
    } catch (error) {
      log.warn({ err: error }, "the broker's Vault token could not be renewed");
      if (error instanceof VaultRefused) {
        this.#held = undefined;
      }
    }
    return await this.#again();
  }

  async #again(): Promise<boolean> {
    const { method, log } = this.#deps;
    if (!method.repeatable && !this.sealed) {
      // The same token would be looked up again: only its renewal is worth another try.
      return false;
    }
    try {
      const own = await this.#once();
      await this.#inspect(own);
      this.#hold(own);
      log.info(
        { method: method.kind, ttl: own.ttl },
        "logged in to Vault again",
      );
      return true;
    } catch (error) {
      log.error({ err: error }, "the broker could not log in to Vault again");
      return false;
    }
  }

  async #rest(ms: number, stop: AbortSignal): Promise<void> {
    this.#wake = new AbortController();
    try {
      await this.#deps.clock.sleep(
        ms,
        AbortSignal.any([stop, this.#wake.signal]),
      );
    } catch {
      // Woken early, by a doubt or by the stop; the caller's loop looks which.
    }
  }
}

/** Whether a renewal gave the token a good part of its life again. */
function isFull(renewed: OwnToken, before: OwnToken): boolean {
  return renewed.ttl === undefined || renewed.ttl * 2 > (before.ttl ?? 0);
}

async function lackingIn(
  api: VaultApi,
  token: Secret,
  needs: Needs,
): Promise<string[]> {
  const has = await api.capabilities(token, [...needs.keys()]);
  return [...needs]
    .filter(
      ([path, wanted]) =>
        !wanted.some((one) => has.get(path)?.includes(one) === true),
    )
    .map(([path, wanted]) => `${wanted[0] ?? ""} on ${path}`);
}
