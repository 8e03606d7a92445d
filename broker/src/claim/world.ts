// A world in which nothing is certain, for tests only: several broker processes on one ledger and one Vault, where every
// call waits until the test lets it happen, and may then fail before, fail after, or never be answered because its
// process died. Time stands still until it is moved, and a process sleeps on until it is woken.

import { Refusal } from "@vaultbuddy/common";
import type { Clock, NoticeCode } from "@vaultbuddy/common";
import { openLog } from "@vaultbuddy/common/daemon";
import { Claims } from "../claim.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { MemoryLedger } from "../ledger/memory.ts";
import type { Revoker } from "../revoke.ts";

/** What becomes of a call: it works, it never arrives, or it arrives and its answer is lost. */
export type Fate = "well" | "before" | "after";

/** How long a wrapping token lives, and the token inside until it is renewed, in milliseconds. */
export const WRAP_TTL = 60_000;
const TOKEN_TTL = 90_000;

/** A token in the Vault of the world. */
export interface VaultToken {
  readonly container: string;
  readonly generation: number;
  readonly accessor: string;
  readonly wrapAccessor: string;
  /** When it dies by itself; past at once when it is revoked. */
  tokenExpires: number;
  wrapExpires: number;
  /** The wrapping token has left the broker: anybody may have it. */
  sent: boolean;
  /** Somebody has opened the wrapping token. */
  unsealed: boolean;
  /** Somebody has opened the wrapping token while the token inside lived. */
  opened: boolean;
  /** The wrapping token died by its time. */
  ranOut: boolean;
}

/** One run of a broker. */
export class Process {
  readonly claims: Claims;
  readonly world: World;
  alive = true;

  constructor(world: World) {
    this.world = world;
    this.claims = new Claims({
      ledger: this.#ledger(),
      revoker: this.#revoker(),
      clock: this.clock,
      log: openLog("test", "silent", { write: () => undefined }),
      newId: () => world.newId(),
    });
  }

  get clock(): Clock {
    const { world } = this;
    return {
      now: () => world.time,
      monotonic: () => world.time,
      random: () => 0.5,
      sleep: (ms, signal) => world.sleep(this, ms, signal),
    };
  }

  /** A call that the world decides about. */
  call<Result>(code: NoticeCode, effect: () => Result): Promise<Result> {
    return this.world.call(this, code, effect);
  }

  #ledger(): Ledger {
    const { ledger } = this.world;
    const call = async <Result>(
      effect: () => Promise<Result>,
    ): Promise<Result> =>
      this.call("ledger_unavailable", () => {
        if (!this.world.ledgerUp) {
          throw new Refusal("ledger_unavailable", "down");
        }
        return effect();
      });
    return {
      read: (key) => call(() => ledger.read(key)),
      putIfAbsent: (key, shelf, value) =>
        call(async () => {
          const version = await ledger.putIfAbsent(key, shelf, value);
          this.world.onWrite(version, value);
          return version;
        }),
      compareAndSwap: (key, version, shelf, value) =>
        call(async () => {
          const next = await ledger.compareAndSwap(key, version, shelf, value);
          this.world.onWrite(next, value);
          return next;
        }),
      remove: (key, version) => call(() => ledger.remove(key, version)),
      scan: (shelf, after, limit) =>
        call(() => ledger.scan(shelf, after, limit)),
      close: () => ledger.close(),
    };
  }

  #revoker(): Revoker {
    const { world } = this;
    return {
      lookupAccessor: (accessor) =>
        this.call("vault_unavailable", () => world.lookup(accessor)),
      revokeAccessor: (accessor) =>
        this.call("vault_unavailable", () => world.revoke(accessor)),
    };
  }
}

/** The ledger, Vault, and everything that waits. */
export class World {
  time = 1_767_225_600_000;
  vaultUp = true;
  ledgerUp = true;
  /** Whether the containers open what they are sent. */
  listens = true;
  readonly ledger = new MemoryLedger();
  readonly tokens: VaultToken[] = [];
  /** Is told of every value that was written, in the moment it is. */
  watch: (value: string) => void = () => undefined;
  readonly #waiting: ((fate: Fate) => void)[] = [];
  readonly #asleep: { at: number; process: Process; wake: () => void }[] = [];
  #ids = 0;

  newId(): string {
    this.#ids += 1;
    return `id-${String(this.#ids).padStart(8, "0")}`;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  call<Result>(
    process: Process,
    code: NoticeCode,
    effect: () => Result,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      const fail = (error: unknown): void =>
        this.#answer(process, () => reject(error as Error));
      this.#waiting.push((fate) => {
        if (fate === "before") {
          fail(new Refusal(code, "the call failed"));
          return;
        }
        let result: Result;
        try {
          result = effect();
        } catch (error) {
          fail(error);
          return;
        }
        if (fate === "after") {
          fail(new Refusal(code, "the answer was lost"));
        } else {
          this.#answer(process, () => resolve(result));
        }
      });
    });
  }

  sleep(process: Process, ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(new Error("woken"));
      if (signal?.aborted === true) {
        abort();
        return;
      }
      signal?.addEventListener("abort", abort, { once: true });
      this.#asleep.push({ at: this.time + ms, process, wake: resolve });
    });
  }

  /** Lets one of what waits happen. */
  async step(pick: number, fate: Fate): Promise<void> {
    const [chosen] = this.#waiting.splice(
      pick % Math.max(1, this.#waiting.length),
      1,
    );
    chosen?.(fate);
    await settle();
  }

  /** Moves time on; whoever is due may wake from then on. */
  advance(ms: number): void {
    this.time += ms;
    for (const token of this.tokens) {
      token.ranOut ||= token.wrapExpires > 0 && token.wrapExpires <= this.time;
    }
    const due = this.#asleep.filter((sleeper) => sleeper.at <= this.time);
    for (const sleeper of due.toSorted((a, b) => a.at - b.at)) {
      this.#asleep.splice(this.#asleep.indexOf(sleeper), 1);
      this.#answer(sleeper.process, sleeper.wake);
    }
  }

  /** Asks Vault for a token. Throws only when Vault is down, and then nothing was made. */
  mint(container: string, generation: number): VaultToken {
    this.#vault();
    const token: VaultToken = {
      container,
      generation,
      accessor: `inner-${this.tokens.length}`,
      wrapAccessor: `wrap-${this.tokens.length}`,
      tokenExpires: this.time + TOKEN_TTL,
      wrapExpires: this.time + WRAP_TTL,
      sent: false,
      unsealed: false,
      opened: false,
      ranOut: false,
    };
    this.tokens.push(token);
    return token;
  }

  /** Whoever has the wrapping token opens it; false when it is gone. */
  open(token: VaultToken): boolean {
    if (!this.vaultUp || token.wrapExpires <= this.time) {
      return false;
    }
    token.wrapExpires = 0;
    token.unsealed = true;
    if (token.tokenExpires > this.time) {
      token.opened = true;
      token.tokenExpires = Number.MAX_SAFE_INTEGER;
    }
    return true;
  }

  lookup(accessor: string): "alive" | "gone" {
    this.#vault();
    return this.tokens.some(
      (token) =>
        (token.accessor === accessor && token.tokenExpires > this.time) ||
        (token.wrapAccessor === accessor && token.wrapExpires > this.time),
    )
      ? "alive"
      : "gone";
  }

  revoke(accessor: string): void {
    this.#vault();
    for (const token of this.tokens) {
      if (token.accessor === accessor) {
        token.tokenExpires = 0;
      } else if (token.wrapAccessor === accessor) {
        token.wrapExpires = 0;
      }
    }
  }

  /** Whether somebody outside the brokers may hold a live token. */
  holdable(token: VaultToken): boolean {
    return (
      token.tokenExpires > this.time &&
      (token.opened || (token.sent && token.wrapExpires > this.time))
    );
  }

  onWrite(version: string | undefined, value: string): void {
    if (version !== undefined) {
      this.watch(value);
    }
  }

  #vault(): void {
    if (!this.vaultUp) {
      throw new Refusal("vault_unavailable", "down");
    }
  }

  /** What comes back to a process that died is lost; what it asked for may still happen. */
  #answer(process: Process, go: () => void): void {
    this.#waiting.push((fate) => {
      void fate;
      if (process.alive) {
        go();
      }
    });
  }
}

/** Lets everything that is ready run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
