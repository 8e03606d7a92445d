// What each way of failing is called: the flow's errors and a delivery's outcomes as codes of the one closed table.

import { isNoticeRefusal, Refusal } from "@vaultbuddy/common";
import type { NoticeCode, NoticeRefusal } from "@vaultbuddy/common";
import type { Channel } from "./connect.ts";
import type { Outcome } from "./deliver.ts";

/** Any failure as one of the closed codes. What is none of them is a fault of ours, about which nothing is known. */
export function refusalOf(error: unknown): NoticeRefusal {
  if (isNoticeRefusal(error)) {
    return error;
  }
  return new Refusal<NoticeCode>(
    "ledger_unavailable",
    "the handoff failed in a way the broker does not know: see its log",
    {
      cause: error,
    },
  );
}

const MIDDLE =
  "; if its log names tls, somebody stands between it and the broker, at the address ECS names";

/** What a delivery that ended without a receipt is answered with, if it could be taken back. */
export function failure(
  outcome: Exclude<Outcome, { kind: "received" }>,
  { certificate }: Pick<Channel, "certificate">,
): NoticeRefusal {
  switch (outcome.kind) {
    case "refused":
      return new Refusal(
        "delivery_refused",
        `the container refused the delivery: ${outcome.code}${certificate !== undefined && outcome.code === "not_for_me" ? MIDDLE : ""}`,
      );
    case "foreign":
      return new Refusal(
        "delivery_refused",
        "whoever answered is no entrypoint that opened this token: check what else holds the family's key",
      );
    case "silent":
      return new Refusal(
        "delivery_timeout",
        "the container took the delivery and gave no receipt in time: check that it reaches Vault",
      );
  }
}
