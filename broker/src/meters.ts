// What the broker counts: the end of every handoff by its code, so that an unusual rate of one can raise an alarm
// (already_delivered: somebody tries; delivery_uncertain: somebody succeeded).

import { noticeCodes } from "@vaultbuddy/common";
import { Meters as CommonMeters } from "@vaultbuddy/common/daemon";
import type { CounterDefinition, Gauge } from "@vaultbuddy/common/daemon";

const counters = {
  handoffs: {
    help: "Handoffs that ended, by code; delivered is success.",
    label: "code",
    values: ["delivered", ...Object.keys(noticeCodes)],
  },
  turned_away: {
    help: "Notices that began no handoff, by code.",
    label: "code",
    values: ["bad_request", "rate_limited"],
  },
  stops: { help: "Hints that a container has stopped." },
} as const satisfies Record<string, CounterDefinition>;

/** The broker's counters. */
export class Meters extends CommonMeters<keyof typeof counters> {
  constructor() {
    super("vaultbuddy_broker_", counters);
  }
}

/** What goes up and down. */
export function gaugesOf(
  session: { readonly sealed: boolean },
  broker: { readonly inFlight: number },
): Gauge[] {
  return [
    {
      name: "sealed",
      help: "1 while the broker has no Vault token.",
      read: () => (session.sealed ? 1 : 0),
    },
    {
      name: "in_flight",
      help: "Handoffs that are under way.",
      read: () => broker.inFlight,
    },
  ];
}
