// How a claim ends other than by its receipt: what was minted is taken back and what became of it is judged and written
// down. The same steps serve a flow that gives up, a broker that takes a dead one's claim over, and the sweep.

import { isNoticeRefusal, Refusal } from "@vaultbuddy/common";
import type { Clock, NoticeRefusal } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import { end, wrappingOf } from "../revoke.ts";
import type { Revoker } from "../revoke.ts";
import { ClaimLost } from "./book.ts";
import type { Book, Page } from "./book.ts";
import type { OpenRecord, Revoking, SettledRecord, Token } from "./record.ts";
import { isSettled } from "./record.ts";
import { deliver, foundUnopened, release, revoke, revoked } from "./state.ts";

/** What a flow leaves behind when it gives up. */
export interface Left {
  readonly deliveryId: string;
  /** The last page it wrote or read. */
  readonly page: Page;
  /** What it minted, whether or not it could write that down. */
  readonly token: Token | undefined;
  /** The count of mints to go back to; undefined keeps what is counted. */
  readonly mints: number | undefined;
}

/** How many receipts that could not be written down are remembered. */
const MOST_RECEIPTS = 10_000;

/** Ends claims. What isn't caught here is a {@link ClaimLost} or a Refusal: the claim is where the ledger says it is. */
export class Ending {
  readonly #book: Book;
  readonly #owner: string;
  readonly #revoker: Revoker;
  readonly #clock: Clock;
  readonly #log: Log;
  /** Deliveries whose receipt came but could not be written down: by key, the delivery's id. */
  readonly #receipts = new Map<string, string>();
  /** Tokens that no record names, because the claim was lost before they could be written down: by accessor. */
  readonly #strays = new Map<string, Token>();

  constructor(parts: {
    readonly book: Book;
    readonly owner: string;
    readonly revoker: Revoker;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#book = parts.book;
    this.#owner = parts.owner;
    this.#revoker = parts.revoker;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Remembers a receipt, so that a working container does not lose its token because the ledger was away. */
  remember(key: string, deliveryId: string): void {
    if (this.#receipts.size >= MOST_RECEIPTS) {
      // The oldest: whoever ended that claim meanwhile was another broker.
      const { value } = this.#receipts.keys().next();
      this.#receipts.delete(value ?? "");
    }
    this.#receipts.set(key, deliveryId);
  }

  /** Ends the claim of a flow that gives up; resolves to the refusal that is to be answered. */
  async giveUp(left: Left, refusal: NoticeRefusal): Promise<NoticeRefusal> {
    try {
      const page = await this.#book.read(left.page.key);
      const record = page?.record;
      if (
        page === undefined ||
        record?.owner !== this.#owner ||
        record.deliveryId !== left.deliveryId
      ) {
        throw new ClaimLost();
      }
      if (isSettled(record)) {
        return refusal;
      }
      const ended =
        record.state === "reserved" && left.token === undefined
          ? await this.#release(page, refusal.code, left.mints ?? record.mints)
          : await this.#revoke(page, refusal.code, left.token);
      return ended.record.state === "uncertain" ? spent() : refusal;
    } catch (error) {
      return this.#failed(left, refusal, error);
    }
  }

  /** Ends an open claim of nobody: of a dead owner, or of this process without a flow. */
  async settle(page: Page<OpenRecord>): Promise<Page<SettledRecord>> {
    const { record } = page;
    if (record.state === "reserved") {
      // What a crashed owner may have minted cannot be named: nobody holds it, its mint stays counted, and it dies by
      // its own short TTL.
      return this.#write(
        page,
        release(record, undefined, record.mints, this.#clock.now()),
      );
    }
    const received =
      record.state === "sent" &&
      this.#receipts.get(page.key) === record.deliveryId;
    if (received) {
      return this.#receive(page);
    }
    return this.finish(
      record.state === "revoking" && record.owner === this.#owner
        ? { ...page, record }
        : await this.#book.write(
            page,
            revoke(record, this.#owner, undefined, this.#clock.now()),
          ),
    );
  }

  /** Takes both tokens of a claim back and writes down how it ended. */
  async finish(page: Page<Revoking>): Promise<Page<SettledRecord>> {
    const { token, from, unopened } = page.record;
    let last = page;
    let opened = false;
    await this.#end(token.accessor);
    if (from === "sent" && !unopened) {
      const wrapping = await wrappingOf(token, this.#revoker, this.#clock);
      opened = wrapping === "opened";
      if (wrapping === "there") {
        // Before the evidence goes: whoever found it gone after a crash would have to take it for opened.
        const seen = foundUnopened(page.record, this.#clock.now());
        last = await this.#book.write(page, seen);
      }
    }
    await this.#end(token.wrapAccessor);
    return this.#write(last, revoked(last.record, opened, this.#clock.now()));
  }

  /** Tries once more to take back what no record names. Never throws a Refusal. */
  async endStrays(): Promise<void> {
    for (const token of this.#strays.values()) {
      try {
        await this.#end(token.accessor);
        await this.#end(token.wrapAccessor);
        this.#strays.delete(token.accessor);
      } catch (error) {
        if (!isNoticeRefusal(error)) {
          throw error;
        }
        // Nobody holds it and nobody renews it: past its time there is nothing left to take back.
        if (this.#clock.now() > token.tokenExpires) {
          this.#strays.delete(token.accessor);
        }
        this.#log.warn({ err: error }, "a token nobody holds is not gone yet");
        return;
      }
    }
  }

  /** Takes back a token that never left this process and that no record names; tried until it is gone. */
  async stray(token: Token): Promise<void> {
    this.#strays.set(token.accessor, token);
    await this.endStrays();
  }

  #release(
    page: Page,
    code: NoticeRefusal["code"],
    mints: number,
  ): Promise<Page<SettledRecord>> {
    const { record } = page;
    return this.#write(page, release(record, code, mints, this.#clock.now()));
  }

  async #revoke(
    page: Page,
    code: NoticeRefusal["code"],
    made: Token | undefined,
  ): Promise<Page<SettledRecord>> {
    const now = this.#clock.now();
    return this.finish(
      await this.#book.write(
        page,
        revoke(page.record, this.#owner, code, now, made),
      ),
    );
  }

  async #failed(
    left: Left,
    refusal: NoticeRefusal,
    error: unknown,
  ): Promise<NoticeRefusal> {
    const lost = error instanceof ClaimLost;
    if (!lost && !isNoticeRefusal(error)) {
      throw error;
    }
    // Once it was written as minted, the record names it and whoever has the claim revokes it; doing that here as well
    // could make an unopened wrapping token look opened.
    const unwritten = left.page.record.state === "reserved";
    if (
      left.token !== undefined &&
      unwritten &&
      (lost || error.code === "ledger_unavailable")
    ) {
      await this.stray(left.token);
    }
    return lost ? refusal : error;
  }

  async #receive(page: Page): Promise<Page<SettledRecord>> {
    try {
      const record = deliver(page.record, this.#clock.now());
      const written = await this.#book.write(page, record);
      this.#receipts.delete(page.key);
      return written;
    } catch (error) {
      if (error instanceof ClaimLost) {
        this.#receipts.delete(page.key);
      }
      throw error;
    }
  }

  #write(page: Page, record: SettledRecord): Promise<Page<SettledRecord>> {
    return this.#book.write(page, record);
  }

  #end(accessor: string): Promise<void> {
    return end(accessor, this.#revoker, this.#clock);
  }
}

function spent(): NoticeRefusal {
  return new Refusal(
    "delivery_uncertain",
    "the wrapping token was spent without a receipt; both tokens are revoked",
  );
}
