// Every way a handoff can fail, as two closed tables: what the broker answers to a notice, and what an entrypoint
// answers to a delivery. Status, whether to try again, and log level are looked up here and decided nowhere else.

/** How a failure is treated. */
export interface Treatment {
  /** HTTP status of the answer. */
  readonly status: number;
  /** Whether the same request may succeed later without anybody changing anything. */
  readonly retry: boolean;
  readonly level: "info" | "warn" | "error" | "fatal";
  /** The short sentence of the answer's `title` (RFC 9457). */
  readonly title: string;
}

/** What the broker answers to a notice that did not end in a delivery. */
export const noticeCodes = {
  bad_request: {
    status: 400,
    retry: false,
    level: "warn",
    title: "the notice is malformed",
  },
  cluster_not_allowed: {
    status: 403,
    retry: false,
    level: "warn",
    title: "this broker does not serve that cluster",
  },
  task_not_found: {
    status: 404,
    retry: false,
    level: "warn",
    title: "ECS knows no such task",
  },
  container_not_found: {
    status: 404,
    retry: false,
    level: "warn",
    title: "the task has no such container",
  },
  task_not_running: {
    status: 409,
    retry: false,
    level: "warn",
    title: "the task does not run",
  },
  task_too_old: {
    status: 403,
    retry: false,
    level: "warn",
    title: "the task is older than the task life",
  },
  policy_denied: {
    status: 403,
    retry: false,
    level: "warn",
    title: "no policy rule gives this container a token",
  },
  already_delivered: {
    status: 409,
    retry: false,
    level: "warn",
    title: "this container has had its token",
  },
  address_unknown: {
    status: 422,
    retry: false,
    level: "error",
    title: "ECS names no address or port to dial",
  },
  delivery_refused: {
    status: 502,
    retry: false,
    level: "error",
    title: "the container refused the delivery",
  },
  delivery_timeout: {
    status: 504,
    retry: true,
    level: "warn",
    title: "nobody with the family's key answered in time",
  },
  delivery_uncertain: {
    status: 502,
    retry: false,
    level: "fatal",
    title: "the wrapping token was spent and no receipt came",
  },
  sealed: {
    status: 503,
    retry: true,
    level: "error",
    title: "the broker holds no Vault token",
  },
  vault_unavailable: {
    status: 503,
    retry: true,
    level: "error",
    title: "Vault does not answer as it should",
  },
  ecs_unavailable: {
    status: 503,
    retry: true,
    level: "error",
    title: "ECS does not answer as it should",
  },
  ledger_unavailable: {
    status: 503,
    retry: true,
    level: "error",
    title: "the ledger of claims cannot be read or written",
  },
  rate_limited: {
    status: 429,
    retry: true,
    level: "warn",
    title: "too many notices",
  },
} as const satisfies Record<string, Treatment>;

/** What an entrypoint answers to a request that was not the one correct delivery. */
export const deliveryCodes = {
  bad_signature: {
    status: 401,
    retry: false,
    level: "warn",
    title: "no signature of a key this container trusts",
  },
  not_for_me: {
    status: 403,
    retry: false,
    level: "warn",
    title: "the delivery is for another container",
  },
  expired: {
    status: 403,
    retry: false,
    level: "warn",
    title: "the delivery is too old or from the future",
  },
  wrong_vault: {
    status: 403,
    retry: false,
    level: "error",
    title: "the delivery names another Vault",
  },
  wrong_creation_path: {
    status: 403,
    retry: false,
    level: "fatal",
    title: "the token was not made where and when the delivery says",
  },
  bad_delivery: {
    status: 422,
    retry: false,
    level: "warn",
    title: "the delivery is malformed",
  },
  already_unwrapped: {
    status: 410,
    retry: false,
    level: "fatal",
    title: "somebody opened the wrapping token first",
  },
  vault_unavailable: {
    status: 503,
    retry: true,
    level: "error",
    title: "Vault does not answer as it should",
  },
} as const satisfies Record<string, Treatment>;

export type NoticeCode = keyof typeof noticeCodes;
export type DeliveryCode = keyof typeof deliveryCodes;

/**
 * A failure with one of the closed codes. `message` tells what happened, to what, and what to do; it never holds an
 * upstream's own text, an address or a secret, because it is sent and logged as it is.
 */
export class Refusal<Code extends NoticeCode | DeliveryCode> extends Error {
  override readonly name = "Refusal";
  readonly code: Code;

  constructor(code: Code, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** A failure of the broker's flow. */
export type NoticeRefusal = Refusal<NoticeCode>;

/** Whether a thrown value is a refusal with one of the broker's codes. */
export function isNoticeRefusal(error: unknown): error is Refusal<NoticeCode> {
  return error instanceof Refusal && Object.hasOwn(noticeCodes, error.code);
}

/** Whether a thrown value is a refusal with one of the entrypoint's codes. */
export function isDeliveryRefusal(
  error: unknown,
): error is Refusal<DeliveryCode> {
  return error instanceof Refusal && Object.hasOwn(deliveryCodes, error.code);
}
