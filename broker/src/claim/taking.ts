// How one of many gets the claim: whoever writes `reserved` first has it, and everybody else waits for that one's outcome,
// or for its death. A waiter takes a dead owner's claim over, ends what it left and goes on with an attempt of its own.

import { pause, Refusal } from "@vaultbuddy/common";
import type { Clock, Delivered } from "@vaultbuddy/common";
import type { Vouched } from "../validate.ts";
import { ClaimLost } from "./book.ts";
import type { Book, Page } from "./book.ts";
import type { Ending } from "./ending.ts";
import type { Lease } from "./lease.ts";
import { isOpenPage, keyOf } from "./record.ts";
import type { Reserved } from "./record.ts";
import { refusalFor, standingOf } from "./standing.ts";
import { reopen, reserve } from "./state.ts";
import type { Turns } from "./turns.ts";
import { Waiting } from "./waiting.ts";

/** Between two looks at a claim that another broker holds, in milliseconds. */
const LOOK = { first: 100, most: 500 };
/** Between two looks at a claim that this broker holds, in milliseconds; its end wakes the waiter. */
const WAKE = 1000;

/** What taking works with. */
export interface TakingParts {
  readonly book: Book;
  readonly lease: Lease;
  readonly turns: Turns;
  readonly ending: Ending;
  readonly clock: Clock;
  readonly newId: () => string;
}

/** Takes claims. Whoever gets a page has its turn, and gives it back. */
export class Taking {
  readonly #parts: TakingParts;

  constructor(parts: TakingParts) {
    this.#parts = parts;
  }

  async take(
    task: Vouched,
    signal: AbortSignal,
  ): Promise<
    { readonly page: Page<Reserved> } | { readonly joined: Delivered }
  > {
    const { book, turns, clock } = this.#parts;
    const key = keyOf(task);
    let last = await book.read(key);
    const waiting = new Waiting(last, clock);
    for (let look = 0; !signal.aborted; look += 1) {
      const joined = waiting.outcome(last);
      if (joined !== undefined) {
        return { joined };
      }
      if (await this.#mayTake(key, last)) {
        const page = await this.#take(task, last);
        if (page !== undefined) {
          return { page };
        }
      } else {
        waiting.bear(last);
        const ms = turns.isTaken(key) ? WAKE : pause(LOOK, look, clock);
        await turns.wait(key, ms, signal);
      }
      last = await book.read(key);
    }
    throw new Refusal(
      "delivery_timeout",
      "another attempt for this container was still under way at the deadline",
    );
  }

  /** Whether the claim is free, or its owner dead or gone; then its turn is this caller's. */
  async #mayTake(key: string, last: Page | undefined): Promise<boolean> {
    const { lease, turns } = this.#parts;
    if (turns.isTaken(key)) {
      return false;
    }
    if (last !== undefined && isOpenPage(last)) {
      const { owner } = last.record;
      if (owner !== lease.owner && !(await lease.isDead(owner))) {
        return false;
      }
    }
    return turns.take(key);
  }

  /** Undefined when somebody else was faster. The turn is kept with the page only. */
  async #take(
    task: Vouched,
    last: Page | undefined,
  ): Promise<Page<Reserved> | undefined> {
    let page: Page<Reserved> | undefined;
    try {
      page = await this.#reserve(task, last);
      return page;
    } catch (error) {
      if (error instanceof ClaimLost) {
        return undefined;
      }
      throw error;
    } finally {
      if (page === undefined) {
        this.#parts.turns.give(keyOf(task));
      }
    }
  }

  async #reserve(
    task: Vouched,
    last: Page | undefined,
  ): Promise<Page<Reserved>> {
    const { book, lease, ending, clock, newId } = this.#parts;
    const before =
      last !== undefined && isOpenPage(last) ? await ending.settle(last) : last;
    const at = clock.now();
    const standing = standingOf(before?.record);
    const refusal = refusalFor(standing, task.rule.restart, at);
    if (refusal !== undefined) {
      throw refusal;
    }
    const author = { owner: lease.owner, deliveryId: newId(), at };
    return before === undefined
      ? book.create(reserve(task, author))
      : book.write(before, reopen(before.record, author));
  }
}
