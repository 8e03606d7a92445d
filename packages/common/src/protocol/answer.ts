// The two kinds of answer: the receipt of a delivery, and a refusal as problem+json (RFC 9457). Both directions use the
// same problem shape, so that one writer and one parser serve the broker, the agent and the entrypoint.

import { deliveryCodes, noticeCodes } from "../error.ts";
import type { DeliveryCode, NoticeCode, Treatment } from "../error.ts";
import { Fields, parseJson } from "../parse.ts";

/** The largest answer that is read, in bytes. */
export const ANSWER_BYTES = 16 * 1024;
/** The media type of a refusal (RFC 9457 section 3). */
export const PROBLEM_TYPE = "application/problem+json";

/** What an entrypoint answers when it has what was delivered. */
export interface Receipt {
  readonly jti: string;
  /**
   * The accessor of the token or the SecretID inside, which only its opener can know; null where the application is to
   * open a wrapped SecretID by itself, and the entrypoint has only looked it up.
   */
  readonly accessor: string | null;
}

/** Parses a receipt. Throws {@link ShapeError}. */
export function parseReceipt(bytes: Uint8Array): Receipt {
  const fields = new Fields(parseJson(bytes, ANSWER_BYTES));
  const jti = fields.text("jti", { max: 64 });
  const accessor = fields.nullableText("accessor", { max: 256 });
  fields.done();
  return { jti, accessor };
}

/** What a broker answers when the container has its token. */
export interface Delivered {
  readonly outcome: "delivered";
  readonly deliveryId: string;
}

/** Parses the broker's success. Throws {@link ShapeError}. */
export function parseDelivered(bytes: Uint8Array): Delivered {
  const fields = new Fields(parseJson(bytes, ANSWER_BYTES));
  const outcome = fields.oneOf("outcome", ["delivered"]);
  const deliveryId = fields.text("deliveryId", { max: 64 });
  fields.done();
  return { outcome, deliveryId };
}

/** A refusal on the wire. */
export interface Problem<Code extends string> {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly code: Code;
}

/** A broker's refusal as it is sent. `detail` must already be fit for a stranger's eyes. */
export function noticeProblem(
  code: NoticeCode,
  detail: string,
): Problem<NoticeCode> {
  return problem(code, noticeCodes[code], detail);
}

/** An entrypoint's refusal as it is sent. */
export function deliveryProblem(
  code: DeliveryCode,
  detail: string,
): Problem<DeliveryCode> {
  return problem(code, deliveryCodes[code], detail);
}

function problem<Code extends string>(
  code: Code,
  treatment: Treatment,
  detail: string,
): Problem<Code> {
  return { status: treatment.status, title: treatment.title, detail, code };
}

/** The code of a broker's refusal; undefined when the body is not one (a proxy's page, say). */
export function parseNoticeProblem(
  bytes: Uint8Array,
): Problem<NoticeCode> | undefined {
  return parseProblem(bytes, noticeCodes);
}

/** The code of an entrypoint's refusal; undefined when the body is not one. */
export function parseDeliveryProblem(
  bytes: Uint8Array,
): Problem<DeliveryCode> | undefined {
  return parseProblem(bytes, deliveryCodes);
}

function parseProblem<Code extends string>(
  bytes: Uint8Array,
  codes: Record<Code, Treatment>,
): Problem<Code> | undefined {
  try {
    // Unknown members are allowed here and only here: RFC 9457 section 3.2 lets a server add them.
    const fields = new Fields(parseJson(bytes, ANSWER_BYTES));
    const code = fields.oneOf("code", Object.keys(codes) as Code[]);
    const written = fields.take("detail");
    const detail = typeof written === "string" ? written.slice(0, 2000) : "";
    return {
      code,
      detail,
      status: codes[code].status,
      title: codes[code].title,
    };
  } catch {
    return undefined;
  }
}
