// Step 3: a member of a task → a notice at one of the brokers, until one of them has an outcome. A delivery and a definite
// refusal end it; a broker that is away, overloaded, or not a broker at all (a proxy's page) does not: the next one is
// asked at once, and all of them again after a growing pause. Two notices for one container share one delivery, also
// across brokers, so that asking again can do no harm.

import {
  noticeCodes,
  parseDelivered,
  parseNoticeProblem,
  pause,
  PROBLEM_TYPE,
  ShapeError,
} from "@vaultbuddy/common";
import type {
  Backoff,
  Clock,
  NoticeBody,
  NoticeCode,
} from "@vaultbuddy/common";
import { TransportError } from "@vaultbuddy/common/daemon";
import type { Answer, Log } from "@vaultbuddy/common/daemon";
import type { Meters } from "./meters.ts";
import type { Ticket } from "./queue.ts";

/** How a broker is asked: one POST of JSON, with a deadline of its own that is longer than the broker's. */
export type Post = (
  url: string,
  body: string,
  signal: AbortSignal,
) => Promise<Answer>;

export interface NotifyDeps {
  readonly brokers: readonly string[];
  readonly post: Post;
  readonly clock: Clock;
  readonly log: Log;
  readonly meters: Meters;
}

/** For one request. The broker answers within its DELIVERY_TIMEOUT, 90 s. */
export const NOTIFY_TIMEOUT = 100_000;
const AGAIN: Backoff = { first: 100, most: 10_000 };
const LONGEST = 3_600_000;

/** What one answer means. */
export type Verdict =
  | { readonly end: "delivered"; readonly deliveryId: string }
  | {
      readonly end: "refused";
      readonly code: NoticeCode | "unknown_code" | "http_409";
      readonly detail: string;
    }
  /** To be asked again, not before so many milliseconds where the broker said so. */
  | {
      readonly end: "again";
      readonly code: string;
      readonly after: number;
    };

/** Reads a broker's answer. `now`: milliseconds since 1970, for a Retry-After that is a date. */
export function judge(answer: Answer, now: number): Verdict {
  const after = retryAfter(answer.headers["retry-after"], now);
  if (answer.status === 200) {
    return delivered(answer.body) ?? again("not_a_broker", after);
  }
  const problem = parseNoticeProblem(answer.body);
  if (problem !== undefined) {
    return noticeCodes[problem.code].retry
      ? again(problem.code, after)
      : { end: "refused", code: problem.code, detail: problem.detail };
  }
  if (answer.status === 409) {
    return { end: "refused", code: "http_409", detail: "" };
  }
  const type = String(answer.headers["content-type"] ?? "");
  const definite =
    answer.status >= 400 &&
    answer.status < 500 &&
    ![408, 421, 425, 429].includes(answer.status);
  // A broker newer than we are may know more codes; a proxy's own page is no broker's word.
  return definite && type.startsWith(PROBLEM_TYPE)
    ? { end: "refused", code: "unknown_code", detail: "" }
    : again(`http_${answer.status}`, after);
}

function again(code: string, after: number): Verdict {
  return { end: "again", code, after };
}

function delivered(body: Uint8Array): Verdict | undefined {
  try {
    return { end: "delivered", deliveryId: parseDelivered(body).deliveryId };
  } catch (error) {
    if (error instanceof ShapeError) {
      return undefined;
    }
    throw error;
  }
}

/** RFC 9110 section 10.2.3: seconds, or a date. In milliseconds; 0 when there is none that can be read. */
function retryAfter(
  header: string | string[] | undefined,
  now: number,
): number {
  const value = typeof header === "string" ? header.trim() : "";
  if (/^\d{1,9}$/.test(value)) {
    return Number(value) * 1000;
  }
  const date = /^[A-Z][a-z]{2}, /.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}

export class Notifier {
  readonly #deps: NotifyDeps;
  /** The broker that answered last: whoever comes next asks it first. */
  #first = 0;

  constructor(deps: NotifyDeps) {
    this.#deps = deps;
  }

  /** Ends with an outcome, or when the container has ended; throws the ticket's reason when the notice is given up. */
  async notify(notice: NoticeBody, ticket: Ticket): Promise<void> {
    const { clock } = this.#deps;
    const began = clock.monotonic();
    const body = JSON.stringify(notice);
    const notBefore = new Map<number, number>();
    let tries = 0;
    for (let round = 0; ; round += 1) {
      for (const broker of this.#order()) {
        if ((notBefore.get(broker) ?? 0) > clock.monotonic()) {
          continue;
        }
        const verdict = await this.#ask(broker, body, ticket);
        tries += 1;
        if (verdict.end !== "again") {
          this.#report(notice, verdict, tries, clock.monotonic() - began);
          return;
        }
        notBefore.set(broker, clock.monotonic() + verdict.after);
        if (ticket.rest.aborted) {
          break;
        }
      }
      if (!(await this.#rest(round, notBefore, ticket))) {
        this.#reportEnded(notice, tries, clock.monotonic() - began);
        return;
      }
    }
  }

  /** The brokers by number, the one that answered last first. */
  #order(): number[] {
    const { length } = this.#deps.brokers;
    return Array.from({ length }, (_, n) => (this.#first + n) % length);
  }

  async #ask(broker: number, body: string, ticket: Ticket): Promise<Verdict> {
    const { brokers, post, clock, log, meters } = this.#deps;
    const url = `${brokers[broker] ?? ""}/v1/notify`;
    const leave = await ticket.place();
    try {
      const answer = await post(url, body, ticket.signal);
      const verdict = judge(answer, clock.now());
      this.#first = verdict.end === "again" ? this.#first : broker;
      meters.count(
        "attempts",
        verdict.end === "delivered" ? "delivered" : verdict.code,
      );
      return verdict;
    } catch (error) {
      ticket.signal.throwIfAborted();
      if (!(error instanceof TransportError)) {
        throw error;
      }
      if (this.#first === broker) {
        this.#first = (broker + 1) % brokers.length;
      }
      meters.count("attempts", error.code);
      log.debug({ broker: url, code: error.code }, "a broker is not reached");
      return { end: "again", code: error.code, after: 0 };
    } finally {
      leave();
    }
  }

  /** Waits for the next round; false when there is no use in one. */
  async #rest(
    round: number,
    notBefore: ReadonlyMap<number, number>,
    ticket: Ticket,
  ): Promise<boolean> {
    const { clock } = this.#deps;
    const earliest = Math.min(...notBefore.values()) - clock.monotonic();
    // A timer holds 24 days at most, and a notice less: it is given up while it waits.
    const wait = Math.min(
      Math.max(pause(AGAIN, round, clock), earliest),
      LONGEST,
    );
    try {
      await clock.sleep(wait, ticket.rest);
      return true;
    } catch {
      ticket.signal.throwIfAborted();
      return false;
    }
  }

  #report(
    notice: NoticeBody,
    verdict: Exclude<Verdict, { end: "again" }>,
    tries: number,
    ms: number,
  ): void {
    const { log, meters } = this.#deps;
    const fields = { ...notice, tries, ms: Math.round(ms) };
    if (verdict.end === "delivered") {
      meters.count("notices", "delivered");
      log.info(
        { ...fields, code: "delivered", deliveryId: verdict.deliveryId },
        "the container has its token",
      );
      return;
    }
    const { code, detail } = verdict;
    meters.count("notices", code);
    const level =
      code === "unknown_code" || code === "http_409"
        ? "warn"
        : noticeCodes[code].level;
    log[level]({ ...fields, code, detail }, "the broker refused the notice");
  }

  #reportEnded(notice: NoticeBody, tries: number, ms: number): void {
    const { log, meters } = this.#deps;
    meters.count("notices", "container_ended");
    log.info(
      { ...notice, tries, ms: Math.round(ms), code: "container_ended" },
      "the container ended before it had its token",
    );
  }
}
