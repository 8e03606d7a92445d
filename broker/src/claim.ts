// Step 2 of the broker: one container, one claim. Each arrow of claim/state.ts is durable before the next side effect, so
// that a crash anywhere can leave a claim too many and never a token too many: a wrapping token leaves this process only
// when the ledger says `sent` under this process's name, and whoever takes a claim over first takes its token back.
//
// What a broker minted and could not write down is held by nobody: it never left the process that asked for it, that
// process revokes it when it finds its claim lost, and if it crashed the token dies by the short TTL it was minted with.

import { pause, Refusal } from "@vaultbuddy/common";
import type { Clock, Delivered, NoticeRefusal } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import { Book, ClaimLost } from "./claim/book.ts";
import { Ending } from "./claim/ending.ts";
import { Lease } from "./claim/lease.ts";
import { Flows } from "./claim/flows.ts";
import type { Claim, Flow } from "./claim/flows.ts";
import { keyOf } from "./claim/record.ts";
import type { ClaimRecord, Identity, Token } from "./claim/record.ts";
import { MAX_MINTS, standingOf } from "./claim/standing.ts";
import type { Standing } from "./claim/standing.ts";
import { count, deliver, mint, send } from "./claim/state.ts";
import { Taking } from "./claim/taking.ts";
import { Turns } from "./claim/turns.ts";
import { Upkeep } from "./claim/upkeep.ts";
import { ledgerUnavailable } from "./ledger/ledger.ts";
import type { Ledger } from "./ledger/ledger.ts";
import { Recovery } from "./recover.ts";
import { end } from "./revoke.ts";
import type { Revoker } from "./revoke.ts";
import type { Vouched } from "./validate.ts";

export { ClaimLost } from "./claim/book.ts";
export type { Claim } from "./claim/flows.ts";
export type { Identity, Token } from "./claim/record.ts";
export { isRestart, refusalFor } from "./claim/standing.ts";
export type { Standing } from "./claim/standing.ts";

/** A claim of one's own, or the outcome of whoever else had it. */
export type Taken = { readonly claim: Claim } | { readonly joined: Delivered };

/** What {@link Claims} needs. `newId` makes unguessable ids of 8 to 64 letters, digits, `-` and `_`. */
export interface ClaimParts {
  readonly ledger: Ledger;
  readonly revoker: Revoker;
  readonly clock: Clock;
  readonly log: Log;
  readonly newId: () => string;
}

/** Between two tries to write a receipt down, in milliseconds, and how often. */
const RECEIPT = { first: 100, most: 1000 };
const RECEIPT_TRIES = 6;

/** All claims of this broker. */
export class Claims {
  readonly #book: Book;
  readonly #clock: Clock;
  readonly #revoker: Revoker;
  readonly #lease: Lease;
  readonly #ending: Ending;
  readonly #taking: Taking;
  readonly #upkeep: Upkeep;
  readonly #flows: Flows;

  constructor(parts: ClaimParts) {
    const { ledger, clock, log, newId } = parts;
    const book = new Book(ledger);
    const lease = new Lease(ledger, clock, newId());
    const turns = new Turns(clock);
    const flows = new Flows(turns, clock, log);
    const ending = new Ending({ ...parts, book, owner: lease.owner });
    const recovery = new Recovery({ book, lease, turns, ending, log });
    this.#book = book;
    this.#clock = clock;
    this.#revoker = parts.revoker;
    this.#lease = lease;
    this.#flows = flows;
    this.#ending = ending;
    this.#taking = new Taking({ book, lease, turns, ending, clock, newId });
    this.#upkeep = new Upkeep(lease, clock, log, () => {
      flows.endOverdue();
      return recovery.sweep();
    });
  }

  /** Starts the heartbeat and the sweep. Throws `ledger_unavailable` when the first beat cannot be written. */
  start(): Promise<void> {
    return this.#upkeep.start();
  }

  /** To be called when no flow is at work any more; what is still open is ended by another broker, or the next. */
  stop(): Promise<void> {
    return this.#upkeep.stop();
  }

  /** Whether the ledger takes this broker's heartbeat: without it nothing is sent. */
  get alive(): boolean {
    return this.#lease.isFresh();
  }

  /** The cheap look before ECS is asked. */
  async standing(identity: Identity): Promise<Standing> {
    return standingOf((await this.#book.read(keyOf(identity)))?.record);
  }

  /**
   * Takes the claim of a container, or waits for whoever holds it and answers that outcome. Every claim must be ended by
   * {@link delivered}, {@link release} or {@link undo}. Throws a Refusal: `already_delivered`, `delivery_uncertain`,
   * `delivery_refused`, `ledger_unavailable`, `vault_unavailable` (an earlier token cannot be taken back yet),
   * `delivery_timeout` when the signal aborts first, or the code of the attempt it waited for.
   */
  async take(task: Vouched, signal: AbortSignal): Promise<Taken> {
    const taken = await this.#taking.take(task, signal);
    if ("joined" in taken) {
      return taken;
    }
    return { claim: this.#flows.begin(task, taken.page, signal) };
  }

  /**
   * To be called when the channel stands and right before Vault is asked: takes the token of the earlier generation back,
   * then counts the mint. Throws {@link ClaimLost} or a Refusal.
   */
  async minting(claim: Claim): Promise<void> {
    const flow = this.#flows.of(claim);
    this.#mustBeFresh();
    const { record } = flow.page;
    if (record.mints >= MAX_MINTS) {
      throw new Refusal(
        "delivery_refused",
        `${MAX_MINTS} tokens were made for this container in vain`,
      );
    }
    if (record.state === "reserved" && record.earlier !== undefined) {
      await end(record.earlier, this.#revoker, this.#clock);
    }
    await this.#advance(flow, count(record, this.#clock.now()));
    flow.asked = true;
  }

  /**
   * Writes down what was minted, before anything is sent. A claim that was lost meanwhile throws {@link ClaimLost}; the
   * token is then taken back here, for no record names it.
   */
  async minted(claim: Claim, token: Token): Promise<void> {
    const flow = this.#flows.of(claim);
    flow.token = token;
    await this.#advance(flow, mint(flow.page.record, token, this.#clock.now()));
  }

  /** Writes down that the delivery is about to leave. Throws {@link ClaimLost} or a Refusal: then nothing may be sent. */
  async sending(claim: Claim): Promise<void> {
    const flow = this.#flows.of(claim);
    this.#mustBeFresh();
    await this.#advance(flow, send(flow.page.record, this.#clock.now()));
    this.#mustBeFresh();
  }

  /** To be called right before each send: throws when somebody may have taken the claim over by now. */
  fresh(claim: Claim): void {
    if (this.#flows.of(claim).page.record.state !== "sent") {
      throw new Error("nothing is sent before it is written down");
    }
    this.#mustBeFresh();
  }

  /**
   * Writes down that the receipt came, which ends the claim. While the ledger is away it is tried for some seconds, then
   * by the sweep; the Refusal thrown in that case says only that it isn't written yet.
   */
  async delivered(claim: Claim): Promise<void> {
    const flow = this.#flows.of(claim);
    const record = deliver(flow.page.record, this.#clock.now());
    for (let attempt = 0; ; attempt += 1) {
      try {
        await this.#advance(flow, record);
        this.#flows.end(flow);
        return;
      } catch (error) {
        if (error instanceof ClaimLost) {
          throw error;
        }
        if (attempt === RECEIPT_TRIES) {
          this.#ending.remember(flow.page.key, claim.deliveryId);
          this.#flows.end(flow);
          throw error;
        }
        await this.#clock.sleep(pause(RECEIPT, attempt, this.#clock));
      }
    }
  }

  /**
   * Ends a claim for which certainly nothing was minted: Vault was not asked, or answered that it would not. A mint that
   * was counted is given back. Resolves to the refusal to answer with.
   */
  release(claim: Claim, refusal: NoticeRefusal): Promise<NoticeRefusal> {
    return this.#giveUp(claim, refusal, true);
  }

  /**
   * Ends a claim after whatever went wrong: takes back what was minted, both accessors, and judges what became of it.
   * Resolves to the refusal to answer with: the given one when the container may try again, `delivery_uncertain` when
   * the wrapping token was spent, `vault_unavailable` or `ledger_unavailable` when the sweep has to go on with it. Does
   * nothing for a claim that has ended.
   */
  undo(claim: Claim, refusal: NoticeRefusal): Promise<NoticeRefusal> {
    return this.#giveUp(claim, refusal, false);
  }

  async #giveUp(
    claim: Claim,
    refusal: NoticeRefusal,
    refund: boolean,
  ): Promise<NoticeRefusal> {
    const flow = this.#flows.find(claim);
    if (flow === undefined) {
      return refusal;
    }
    try {
      const { deliveryId } = claim;
      const { page, token, mintsBefore, asked } = flow;
      return await this.#ending.giveUp(
        {
          deliveryId,
          page,
          token,
          mints: refund || !asked ? mintsBefore : undefined,
        },
        refusal,
      );
    } finally {
      this.#flows.end(flow);
    }
  }

  async #advance(flow: Flow, record: ClaimRecord): Promise<void> {
    try {
      flow.page = await this.#book.write(flow.page, record);
    } catch (error) {
      if (error instanceof ClaimLost) {
        this.#flows.end(flow);
        if (flow.page.record.state === "reserved" && flow.token) {
          await this.#ending.stray(flow.token);
        }
      }
      throw error;
    }
  }

  #mustBeFresh(): void {
    if (!this.#lease.isFresh()) {
      throw ledgerUnavailable(
        "the broker could not renew its lease in the ledger",
      );
    }
  }
}
