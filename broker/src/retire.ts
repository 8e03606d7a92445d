// The end of a record: when ECS says that the task has stopped, its token is revoked, and only then is the record
// forgotten. Until that moment the record is what stops a second token.
//
// One answer "no such task" forgets nothing: ECS gives it for a moment for tasks that run, too. It takes two, an hour
// apart, which ECS's own promise to keep stopped tasks for an hour makes a matter of tasks long gone.

import { isNoticeRefusal } from "@vaultbuddy/common";
import type { Clock } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import { Book, ClaimLost } from "./claim/book.ts";
import type { Page } from "./claim/book.ts";
import { isSettled, keyOf } from "./claim/record.ts";
import type { Identity, SettledRecord } from "./claim/record.ts";
import { noteMissing } from "./claim/state.ts";
import type { Ledger } from "./ledger/ledger.ts";
import { end } from "./revoke.ts";
import type { Revoker } from "./revoke.ts";

/** What ECS says of a task; a task that is not in the answer is one it said nothing about. */
export type Whereabouts = "running" | "stopped" | "missing";

/** What retiring needs of ECS: one call, at most a hundred tasks of one cluster. Rejects when ECS does not answer. */
export type AskTasks = (
  clusterArn: string,
  taskArns: readonly string[],
) => Promise<ReadonlyMap<string, Whereabouts>>;

/** Between two rounds, in milliseconds. */
const EVERY = 30_000;
/** How many records one page has, and how many pages one round: at most ten calls of the hundred ECS allows at once. */
const PAGE = 100;
const PAGES = 10;
/** How far apart two answers "no such task" must be, in milliseconds. */
const TWICE = 3_600_000;

/** Between two looks at the containers that are said to have stopped, and how long a hint is followed, in milliseconds:
 *  ECS learns of a stop in batches, 10 to 30 s late. */
const HINTED_EVERY = 2000;
const HINT_LIFE = 120_000;
const MOST_HINTS = 10_000;

/** What {@link Retirement} needs. */
export interface RetireParts {
  readonly ledger: Ledger;
  readonly revoker: Revoker;
  readonly askTasks: AskTasks;
  readonly clock: Clock;
  readonly log: Log;
}

type SettledPage = Page<SettledRecord>;

/** Looks after the settled records, a stretch at a time. Several brokers may do so at once; they only do it twice. */
export class Retirement {
  readonly #book: Book;
  readonly #parts: RetireParts;
  readonly #stopping = new AbortController();
  /** The ledger's keys of containers that are said to have stopped, and until when each is followed. */
  readonly #hints = new Map<string, number>();
  #cursor = "";
  #loop: Promise<void> | undefined;

  constructor(parts: RetireParts) {
    this.#parts = parts;
    this.#book = new Book(parts.ledger);
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Resolves when the round that runs has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  /**
   * Takes a hint that a container has stopped. Believed about nothing: it only makes ECS be asked sooner. Beyond ten
   * thousand hints the next are left to the rounds.
   */
  hint(identity: Identity): void {
    const { clock } = this.#parts;
    const key = keyOf(identity);
    if (this.#hints.has(key) || this.#hints.size < MOST_HINTS) {
      this.#hints.set(key, clock.monotonic() + HINT_LIFE);
    }
  }

  /** Looks after the hinted containers alone. Throws what the ledger throws. */
  async follow(): Promise<void> {
    const now = this.#parts.clock.monotonic();
    const pages: SettledPage[] = [];
    for (const [key, until] of [...this.#hints].slice(0, PAGE)) {
      // To the end of the line, so that the next look begins with others.
      this.#hints.delete(key);
      const page = await this.#book.read(key);
      if (page === undefined || now >= until) {
        continue;
      }
      this.#hints.set(key, until);
      if (isSettledPage(page)) {
        pages.push(page);
      }
    }
    await this.#look(pages);
  }

  /** One round: the next stretch of the records. Throws what the ledger throws; the rest is for the next round. */
  async round(): Promise<void> {
    for (let page = 0; page < PAGES; page += 1) {
      const stretch = await this.#book.scan("settled", this.#cursor, PAGE);
      if (stretch.damaged > 0) {
        this.#parts.log.error(
          { records: stretch.damaged },
          "records of the ledger are damaged or of another version; they are kept",
        );
      }
      await this.#look(stretch.pages.filter((one) => isSettledPage(one)));
      this.#cursor = stretch.next ?? "";
      if (stretch.next === undefined || this.#stopping.signal.aborted) {
        return;
      }
    }
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#stopping;
    for (let last = clock.monotonic(); !signal.aborted;) {
      await clock.sleep(HINTED_EVERY, signal).catch(() => undefined);
      if (signal.aborted) {
        return;
      }
      const due = clock.monotonic() - last >= EVERY;
      last = due ? clock.monotonic() : last;
      await (due ? this.round() : this.follow()).catch((error: unknown) => {
        log.warn({ err: error }, "settled claims could not be looked after");
      });
    }
  }

  async #look(settled: readonly SettledPage[]): Promise<void> {
    const clusters = Map.groupBy(settled, (one) => one.record.clusterArn);
    for (const [clusterArn, pages] of clusters) {
      await this.#cluster(clusterArn, pages);
    }
  }

  async #cluster(
    clusterArn: string,
    pages: readonly SettledPage[],
  ): Promise<void> {
    const { askTasks, log } = this.#parts;
    let said: ReadonlyMap<string, Whereabouts>;
    try {
      const arns = new Set(pages.map((page) => page.record.taskArn));
      said = await askTasks(clusterArn, [...arns]);
    } catch (error) {
      // Another cluster may be in another region, where ECS does answer.
      log.warn({ err: error, cluster: clusterArn }, "ECS was asked in vain");
      return;
    }
    for (const page of pages) {
      const where = said.get(page.record.taskArn);
      if (where !== undefined && !(await this.#one(page, where))) {
        return;
      }
    }
  }

  /** False when Vault does not take tokens back at the moment. */
  async #one(page: SettledPage, where: Whereabouts): Promise<boolean> {
    try {
      await this.#judge(page, where);
      return true;
    } catch (error) {
      if (error instanceof ClaimLost) {
        return true;
      }
      if (isNoticeRefusal(error) && error.code !== "ledger_unavailable") {
        const { taskArn, containerName } = page.record;
        this.#parts.log.warn(
          { err: error, task: taskArn, container: containerName },
          "the token of a stopped task could not be revoked yet",
        );
        return false;
      }
      throw error;
    }
  }

  async #judge(page: SettledPage, where: Whereabouts): Promise<void> {
    const { record } = page;
    const now = this.#parts.clock.now();
    const since = record.missingSince;
    if (where === "running") {
      if (since !== undefined) {
        await this.#book.write(page, noteMissing(record, undefined));
      }
    } else if (where === "missing" && (since === undefined || since > now)) {
      await this.#book.write(page, noteMissing(record, now));
    } else if (where === "stopped" || now - (since ?? now) >= TWICE) {
      await this.#forget(page);
    }
  }

  async #forget(page: SettledPage): Promise<void> {
    const { revoker, clock, log } = this.#parts;
    const accessor = liveToken(page.record);
    if (accessor !== undefined) {
      await end(accessor, revoker, clock);
    }
    if (await this.#book.forget(page)) {
      const { taskArn, containerName } = page.record;
      log.info(
        { task: taskArn, container: containerName },
        "a task has stopped; its token is revoked and its claim forgotten",
      );
    }
  }
}

/** What a container of a settled claim may still hold. A released or uncertain claim's own tokens are confirmed gone. */
function liveToken(record: SettledRecord): string | undefined {
  switch (record.state) {
    case "delivered":
      return record.token.accessor;
    case "released":
      return record.earlier;
    case "uncertain":
      return undefined;
  }
}

function isSettledPage(page: Page): page is SettledPage {
  return isSettled(page.record);
}
