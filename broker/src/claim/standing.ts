// What a record means for a container that asks for a token: pure, and decided here alone, both for the cheap look before
// ECS is asked and for the taking of the claim itself.

import { Refusal } from "@vaultbuddy/common";
import type { NoticeRefusal } from "@vaultbuddy/common";
import type { Rule } from "../policy.ts";
import { isSettled } from "./record.ts";
import type { ClaimRecord } from "./record.ts";

/** How often Vault is asked for a token in one claim, at most. */
export const MAX_MINTS = 3;

/** Where a container stands. */
export interface Standing {
  readonly state: "none" | "held" | "delivered" | "released" | "uncertain";
  /** Of the record; 0 when there is none. Above 0 the container was restarted in place, and no age check is due. */
  readonly generation: number;
  readonly mints: number;
  /** As ECS had it when the claim was made; undefined when there is no record. */
  readonly family: string | undefined;
  /** Of a delivered one, in milliseconds since 1970. */
  readonly deliveredAt: number | undefined;
}

/** The standing a record gives. */
export function standingOf(record: ClaimRecord | undefined): Standing {
  if (record === undefined) {
    return {
      state: "none",
      generation: 0,
      mints: 0,
      family: undefined,
      deliveredAt: undefined,
    };
  }
  return {
    state: isSettled(record) ? record.state : "held",
    generation: record.generation,
    mints: record.mints,
    family: record.family,
    deliveredAt: record.state === "delivered" ? record.deliveredAt : undefined,
  };
}

/** Whether the next token would be one for a container restarted in place. */
export function isRestart(standing: Standing): boolean {
  return standing.state === "delivered" || standing.generation > 0;
}

/**
 * Why a container in this standing gets no token; undefined when it may have one. `now` in milliseconds since 1970, on
 * the clock of whichever broker asks: a clock that went back makes it wait, never hurry.
 */
export function refusalFor(
  standing: Standing,
  restart: Rule["restart"],
  now: number,
): NoticeRefusal | undefined {
  switch (standing.state) {
    case "none":
    case "held":
      return undefined;
    case "uncertain":
      return new Refusal(
        "delivery_uncertain",
        "a delivery to this container was spent without a receipt; it gets no other",
      );
    case "released":
      if (
        standing.generation > 0 &&
        (restart === undefined || standing.generation > restart.max)
      ) {
        return hadIt();
      }
      return standing.mints >= MAX_MINTS
        ? new Refusal(
            "delivery_refused",
            `${MAX_MINTS} tokens were made for this container in vain; it gets no other`,
          )
        : undefined;
    case "delivered": {
      const since = now - (standing.deliveredAt ?? now);
      return restart !== undefined &&
        standing.generation < restart.max &&
        since >= restart.minInterval
        ? undefined
        : hadIt();
    }
  }
}

function hadIt(): NoticeRefusal {
  return new Refusal("already_delivered", "this container has had its token");
}
