// What a broker's answer means for a notice: delivered, refused for good, or to be asked again. Pure; the codes and whether
// they may be tried again stand in one table that the broker answers from.

import {
  noticeCodes,
  parseDelivered,
  parseNoticeProblem,
  PROBLEM_TYPE,
  ShapeError,
} from "@vaultbuddy/common";
import type { NoticeCode } from "@vaultbuddy/common";
import type { Answer } from "@vaultbuddy/common/daemon";

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

/**
 * The longest that somebody is left alone who is no broker, in milliseconds. A proxy's page about maintenance asks for ten
 * minutes; a container waits half of one, and the broker behind it may be back at once.
 */
const MOST_FOR_STRANGERS = 5000;

/** Reads a broker's answer. `now`: milliseconds since 1970, for a Retry-After that is a date. */
export function judge(answer: Answer, now: number): Verdict {
  const after = retryAfter(answer.headers["retry-after"], now);
  const stranger = Math.min(after, MOST_FOR_STRANGERS);
  if (answer.status === 200) {
    return delivered(answer.body) ?? again("not_a_broker", stranger);
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
    : again(`http_${answer.status}`, stranger);
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
