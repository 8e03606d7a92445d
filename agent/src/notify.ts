// Step 3: a member of a task → a notice at one of the brokers, until one of them has an outcome. A delivery and a definite
// refusal end it; a broker that is away, overloaded, or not a broker at all (a proxy's page) does not: the next one is
// asked at once, and all of them again after a growing pause. One that is silent does not hold the notice up either. Two
// notices for one container share one delivery, also across brokers, so that asking again can do no harm.

import { noticeCodes, pause } from "@vaultbuddy/common";
import type { Backoff, Clock, NoticeBody } from "@vaultbuddy/common";
import { TransportError } from "@vaultbuddy/common/daemon";
import type { Answer, Log } from "@vaultbuddy/common/daemon";
import type { Meters } from "./meters.ts";
import type { Ticket } from "./queue.ts";
import { judge } from "./verdict.ts";
import type { Verdict } from "./verdict.ts";

/** How a broker is asked: one POST of JSON, with a deadline of its own that is longer than the broker's. */
export type Post = (
  url: string,
  body: string,
  signal: AbortSignal,
) => Promise<Answer>;

export interface NotifyDeps {
  /** At least one. */
  readonly brokers: readonly string[];
  readonly post: Post;
  readonly clock: Clock;
  readonly log: Log;
  readonly meters: Meters;
}

/** For one request, in milliseconds. The broker answers within its DELIVERY_TIMEOUT, 90 s. */
export const NOTIFY_TIMEOUT = 100_000;
/** How long a broker may be silent before the next one is asked as well. A container waits 30 s by default. */
export const PATIENCE = 10_000;
const AGAIN: Backoff = { first: 100, most: 10_000 };
/** A timer holds 24 days at most, and a notice less: it is given up while it waits. */
const LONGEST = 3_600_000;

type End = Exclude<Verdict, { end: "again" }>;

/** One notice on its way. */
interface Course {
  readonly body: string;
  readonly ticket: Ticket;
  /** Until when a broker, by its number, wants to be left alone; by the monotonic clock. */
  readonly notBefore: Map<number, number>;
  tries: number;
}

export class Notifier {
  readonly #deps: NotifyDeps;
  /** The broker that answered last, by its number: whoever comes next asks it first. */
  #first = 0;
  /** Brokers, by number, of which it was told that they are away. */
  readonly #away = new Set<number>();

  constructor(deps: NotifyDeps) {
    this.#deps = deps;
  }

  /** Ends with an outcome, or when the container has ended; throws the ticket's reason when the notice is given up. */
  async notify(notice: NoticeBody, ticket: Ticket): Promise<void> {
    const began = this.#deps.clock.monotonic();
    const course: Course = {
      body: JSON.stringify(notice),
      ticket,
      notBefore: new Map(),
      tries: 0,
    };
    for (let round = 0; ; round += 1) {
      const leave = await ticket.place();
      const end = await this.#round(course).finally(leave);
      if (end !== undefined || !(await this.#rest(round, course))) {
        const ms = Math.round(this.#deps.clock.monotonic() - began);
        this.#report({ ...notice, tries: course.tries, ms }, end);
        return;
      }
    }
  }

  /** Asks each broker that may be asked, the next one as soon as the one before has failed or been silent for long. */
  async #round(course: Course): Promise<End | undefined> {
    const { brokers, clock } = this.#deps;
    const { ticket, notBefore } = course;
    const now = clock.monotonic();
    const order = this.#order().filter((n) => (notBefore.get(n) ?? 0) <= now);
    const [only] = order;
    if (order.length === 1 && only !== undefined) {
      const verdict = await this.#ask(only, course, ticket.signal);
      return verdict.end === "again" ? undefined : verdict;
    }
    const over = new AbortController();
    const signal = AbortSignal.any([ticket.signal, over.signal]);
    const open = new Set<Promise<Verdict>>();
    try {
      for (const broker of order) {
        if (course.tries > 0 && ticket.rest.aborted) {
          break;
        }
        open.add(this.#ask(broker, course, signal));
        const end = await firstEnd(open, clock.sleep(PATIENCE, signal));
        if (end !== undefined) {
          return end;
        }
        if (open.size > 0 && this.#first === broker) {
          this.#first = (broker + 1) % brokers.length;
        }
      }
      return await firstEnd(open);
    } finally {
      over.abort();
    }
  }

  /** The brokers by number, the one that answered last first. */
  #order(): number[] {
    const { length } = this.#deps.brokers;
    return Array.from({ length }, (_, n) => (this.#first + n) % length);
  }

  async #ask(
    broker: number,
    course: Course,
    signal: AbortSignal,
  ): Promise<Verdict> {
    const { brokers, post, clock, log, meters } = this.#deps;
    const url = `${brokers[broker] ?? ""}/v1/notify`;
    course.tries += 1;
    try {
      const verdict = judge(await post(url, course.body, signal), clock.now());
      if (this.#away.delete(broker)) {
        log.info({ broker: url }, "a broker is back");
      }
      meters.count(
        "attempts",
        verdict.end === "delivered" ? "delivered" : verdict.code,
      );
      if (verdict.end === "again") {
        course.notBefore.set(broker, clock.monotonic() + verdict.after);
        log.debug({ broker: url, code: verdict.code }, "a broker says: again");
      } else {
        this.#first = broker;
      }
      return verdict;
    } catch (error) {
      course.ticket.signal.throwIfAborted();
      if (!(error instanceof TransportError)) {
        throw error;
      }
      if (!signal.aborted) {
        meters.count("attempts", error.code);
        // Told once, and not for each of what may be thousands of notices.
        const level = this.#away.has(broker) ? "debug" : "warn";
        this.#away.add(broker);
        log[level]({ broker: url, code: error.code }, "a broker is away");
        if (this.#first === broker) {
          this.#first = (broker + 1) % brokers.length;
        }
      }
      return { end: "again", code: error.code, after: 0 };
    }
  }

  /** Waits for the next round; false when there is no use in one. */
  async #rest(round: number, course: Course): Promise<boolean> {
    const { brokers, clock } = this.#deps;
    const { ticket, notBefore } = course;
    const now = clock.monotonic();
    const holds = brokers.map((_, n) => (notBefore.get(n) ?? 0) - now);
    const wait = Math.max(pause(AGAIN, round, clock), Math.min(...holds));
    try {
      await clock.sleep(Math.min(wait, LONGEST), ticket.rest);
      return true;
    } catch {
      ticket.signal.throwIfAborted();
      return false;
    }
  }

  /** One line per notice, with the same fields whatever came of it. */
  #report(
    fields: NoticeBody & { tries: number; ms: number },
    end: End | undefined,
  ): void {
    const { log, meters } = this.#deps;
    if (end === undefined) {
      meters.count("notices", "container_ended");
      log.info(
        { ...fields, code: "container_ended" },
        "the container ended before it had its token",
      );
    } else if (end.end === "delivered") {
      meters.count("notices", "delivered");
      log.info(
        { ...fields, code: "delivered", deliveryId: end.deliveryId },
        "the container has its token",
      );
    } else {
      const { code, detail } = end;
      const known = code !== "unknown_code" && code !== "http_409";
      meters.count("notices", code);
      log[known ? noticeCodes[code].level : "warn"](
        { ...fields, code, detail },
        "the broker refused the notice",
      );
    }
  }
}

/**
 * The first of the open requests that is an end, as soon as it comes; undefined when all are to be asked again, or when
 * `patience` is over. Requests that have answered are taken out.
 */
async function firstEnd(
  open: Set<Promise<Verdict>>,
  patience?: Promise<void>,
): Promise<End | undefined> {
  const over = patience?.then(
    () => undefined,
    // Aborted with the notice or the round, which the requests hear too.
    () => new Promise<never>(() => undefined),
  );
  while (open.size > 0) {
    const answers = [...open].map(async (request) => {
      const verdict = await request;
      return { request, verdict };
    });
    const next = await Promise.race(
      over === undefined ? answers : [...answers, over],
    );
    if (next === undefined) {
      return undefined;
    }
    open.delete(next.request);
    if (next.verdict.end !== "again") {
      return next.verdict;
    }
  }
  return undefined;
}
