// The sweep: brings claims to an end that nobody works at, after a crash, after an outage, or because Vault was away when
// a token had to be taken back. It finds them by a scan, so that a claim ends even if no notice ever names it again.

import { isNoticeRefusal } from "@vaultbuddy/common";
import type { NoticeRefusal } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import { ClaimLost } from "./claim/book.ts";
import type { Book, Page } from "./claim/book.ts";
import type { Ending } from "./claim/ending.ts";
import type { Lease } from "./claim/lease.ts";
import { isOpenPage } from "./claim/record.ts";
import type { SettledRecord } from "./claim/record.ts";
import type { Turns } from "./claim/turns.ts";

/** How many records one sweep looks at, at most, and how many of them one scan brings. */
const SWEEP = 2000;
const STRETCH = 100;
/** How many refusals end a sweep: the next record would most likely meet the same. */
const REFUSALS = 3;

/** What the sweep works with. */
export interface RecoverParts {
  readonly book: Book;
  readonly lease: Lease;
  readonly turns: Turns;
  readonly ending: Ending;
  readonly log: Log;
}

/** Sweeps, each beginning where the last one stopped, so that no record that can't be ended stands before the others. */
export class Recovery {
  readonly #parts: RecoverParts;
  #cursor = "";

  constructor(parts: RecoverParts) {
    this.#parts = parts;
  }

  /**
   * One round over the open claims: ends those of dead owners, and those of this process that no flow works at. Throws
   * the first Refusal it met, after the round.
   */
  async sweep(): Promise<void> {
    const { book, ending } = this.#parts;
    await ending.endStrays();
    const dead = new Map<string, boolean>();
    const refusals: NoticeRefusal[] = [];
    for (let looked = 0; looked < SWEEP; looked += STRETCH) {
      const stretch = await book.scan("open", this.#cursor, STRETCH);
      this.#tellDamaged(stretch.damaged);
      for (const page of stretch.pages) {
        this.#cursor = page.key;
        await this.#sweepOne(page, dead, refusals);
        if (refusals.length >= REFUSALS) {
          break;
        }
      }
      if (refusals.length >= REFUSALS) {
        break;
      }
      this.#cursor = stretch.next ?? "";
      if (stretch.next === undefined) {
        break;
      }
    }
    const [refusal] = refusals;
    if (refusal !== undefined) {
      throw refusal;
    }
  }

  async #sweepOne(
    page: Page,
    dead: Map<string, boolean>,
    refusals: NoticeRefusal[],
  ): Promise<void> {
    const { lease, turns, ending } = this.#parts;
    const { owner } = page.record;
    if (!isOpenPage(page) || turns.isTaken(page.key)) {
      return;
    }
    if (owner !== lease.owner) {
      const gone = dead.get(owner) ?? (await lease.isDead(owner));
      dead.set(owner, gone);
      if (!gone) {
        return;
      }
    }
    if (!turns.take(page.key)) {
      return;
    }
    try {
      this.#tell(page, await ending.settle(page));
    } catch (error) {
      if (isNoticeRefusal(error)) {
        refusals.push(error);
      } else if (!(error instanceof ClaimLost)) {
        throw error;
      }
    } finally {
      turns.give(page.key);
    }
  }

  #tell(page: Page, ended: Page<SettledRecord>): void {
    const { taskArn, containerName, deliveryId, state } = ended.record;
    const from = page.record.state;
    const fields = { task: taskArn, container: containerName, deliveryId };
    if (state === "uncertain") {
      this.#parts.log.fatal(
        { ...fields, from, state },
        "an unfinished claim ended uncertain",
      );
    } else {
      this.#parts.log.warn(
        { ...fields, from, state },
        "an unfinished claim was brought to an end",
      );
    }
  }

  #tellDamaged(records: number): void {
    if (records > 0) {
      this.#parts.log.error(
        { records },
        "records of the ledger are damaged or of another version; their claims stay as they are",
      );
    }
  }
}
