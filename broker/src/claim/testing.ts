// What the tests of claims share: a Vault that knows accessors only, and brokers on one clock. No product code imports it.

import { Refusal } from "@vaultbuddy/common";
import { ManualClock } from "@vaultbuddy/common/testing";
import { Claims } from "../claim.ts";
import type { Claim } from "../claim.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { MemoryLedger } from "../ledger/memory.ts";
import type { Revoker } from "../revoke.ts";
import { silent, vouchedFor } from "../testing.ts";
import type { Vouched } from "../validate.ts";
import { keyOf, readRecord } from "./record.ts";
import type { ClaimRecord, Token } from "./record.ts";

/** Accessors that live, and what was asked about them. */
export class FakeVault implements Revoker {
  readonly alive = new Set<string>();
  readonly asked: string[] = [];
  down = false;
  /** Revocations are accepted and do nothing. */
  stubborn = false;
  readonly #clock: ManualClock;
  #made = 0;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  mint(): Token {
    this.#made += 1;
    const accessor = `inner-${this.#made}`;
    const wrapAccessor = `wrap-${this.#made}`;
    this.alive.add(accessor).add(wrapAccessor);
    return {
      accessor,
      wrapAccessor,
      wrapExpires: this.#clock.now() + 60_000,
      tokenExpires: this.#clock.now() + 90_000,
      creationPath: "auth/token/create/vaultbuddy",
    };
  }

  open(token: Token): void {
    this.alive.delete(token.wrapAccessor);
  }

  async lookupAccessor(accessor: string): Promise<"alive" | "gone"> {
    this.#note("lookup", accessor);
    return this.alive.has(accessor) ? "alive" : "gone";
  }

  async revokeAccessor(accessor: string): Promise<void> {
    this.#note("revoke", accessor);
    if (!this.stubborn) {
      this.alive.delete(accessor);
    }
  }

  #note(verb: string, accessor: string): void {
    if (this.down) {
      throw new Refusal("vault_unavailable", "Vault is down");
    }
    this.asked.push(`${verb} ${accessor}`);
  }
}

/** A ledger that can be away, and can lose the answer to the next write. */
export class FlakyLedger extends MemoryLedger {
  down = false;
  losesAnswer = false;

  override async read(
    ...args: Parameters<Ledger["read"]>
  ): ReturnType<Ledger["read"]> {
    this.#up();
    return super.read(...args);
  }

  override async putIfAbsent(
    ...args: Parameters<Ledger["putIfAbsent"]>
  ): ReturnType<Ledger["putIfAbsent"]> {
    this.#up();
    const version = await super.putIfAbsent(...args);
    this.#lose(args[1]);
    return version;
  }

  override async compareAndSwap(
    ...args: Parameters<Ledger["compareAndSwap"]>
  ): ReturnType<Ledger["compareAndSwap"]> {
    this.#up();
    const version = await super.compareAndSwap(...args);
    this.#lose(args[2]);
    return version;
  }

  override async scan(
    ...args: Parameters<Ledger["scan"]>
  ): ReturnType<Ledger["scan"]> {
    this.#up();
    return super.scan(...args);
  }

  override async remove(
    ...args: Parameters<Ledger["remove"]>
  ): ReturnType<Ledger["remove"]> {
    this.#up();
    return super.remove(...args);
  }

  #up(): void {
    if (this.down) {
      throw new Refusal("ledger_unavailable", "the ledger is down");
    }
  }

  #lose(shelf: string): void {
    if (this.losesAnswer && shelf !== "owner") {
      this.losesAnswer = false;
      throw new Refusal("ledger_unavailable", "the answer was lost");
    }
  }
}

/** The ledger of a broker that dies right after its first beat, as far as others can see. */
export function beatsOnce(ledger: Ledger): Ledger {
  const dead = (): never => {
    throw new Refusal("ledger_unavailable", "the process is dead");
  };
  return {
    read: (key) => ledger.read(key),
    putIfAbsent: (...args) => ledger.putIfAbsent(...args),
    compareAndSwap: async (key, version, shelf, value) =>
      shelf === "owner"
        ? dead()
        : ledger.compareAndSwap(key, version, shelf, value),
    remove: (...args) => ledger.remove(...args),
    scan: async () => dead(),
    close: () => ledger.close(),
  };
}

/** Brokers, their ledger, their Vault and their time. */
export class Bench {
  readonly clock = new ManualClock();
  readonly vault = new FakeVault(this.clock);
  readonly ledger: FlakyLedger;
  #ids = 0;

  constructor(ledger = new FlakyLedger()) {
    this.ledger = ledger;
  }

  /** A broker; on a connection of its own when one is given. */
  broker(ledger: Ledger = this.ledger): Claims {
    return new Claims({
      ledger,
      revoker: this.vault,
      clock: this.clock,
      log: silent,
      newId: () => this.newId(),
    });
  }

  async started(ledger: Ledger = this.ledger): Promise<Claims> {
    const claims = this.broker(ledger);
    await claims.start();
    return claims;
  }

  newId(): string {
    this.#ids += 1;
    return `id-${String(this.#ids).padStart(6, "0")}`;
  }

  async record(task = vouchedFor()): Promise<ClaimRecord | undefined> {
    const entry = await this.ledger.read(keyOf(task));
    return entry === undefined ? undefined : readRecord(entry);
  }

  async state(task = vouchedFor()): Promise<string> {
    return (await this.record(task))?.state ?? "none";
  }
}

/** A deadline that never comes. */
export const never = new AbortController().signal;

/** Takes the claim and fails when there is another outcome. */
export async function claimOf(
  claims: Claims,
  task: Vouched = vouchedFor(),
  signal = never,
): Promise<Claim> {
  const taken = await claims.take(task, signal);
  if (!("claim" in taken)) {
    throw new Error("joined another attempt");
  }
  return taken.claim;
}

/** Brings a claim as far as named. */
export async function bring(
  claims: Claims,
  vault: FakeVault,
  claim: Claim,
  to: "minted" | "sent" | "delivered",
): Promise<Token> {
  await claims.minting(claim);
  const token = vault.mint();
  await claims.minted(claim, token);
  if (to !== "minted") {
    await claims.sending(claim);
  }
  if (to === "delivered") {
    vault.open(token);
    await claims.delivered(claim);
  }
  return token;
}
