// What the agent counts.

import { Meters as CommonMeters } from "@vaultbuddy/common/daemon";
import type { CounterDefinition } from "@vaultbuddy/common/daemon";

/** Every counter: what it counts, and what its one label tells apart. */
export const counters = {
  starts: {
    help: "Container starts that were new, by what told of them first.",
    label: "by",
    values: ["event", "list"],
  },
  unannounced: { help: "Starts that a list found and no event announced." },
  skipped: {
    help: "Starts that are left alone, by reason.",
    label: "reason",
  },
  notices: { help: "Notices that ended, by outcome.", label: "outcome" },
  attempts: { help: "Requests to a broker, by what came of it.", label: "as" },
  farewells: {
    help: "Hints to a broker that a container has ended, by what came of them.",
    label: "as",
  },
  dropped: {
    help: "Notices that were given up without an outcome, by reason.",
    label: "reason",
    values: ["too_old", "overflow"],
  },
  stream_connects: { help: "Event streams that were opened." },
  stream_failures: { help: "Event streams that could not be opened or broke." },
  lists: {
    help: "Lists of running containers, by result.",
    label: "result",
    values: ["ok", "failed"],
  },
  unreadable: {
    help: "Events and elements of lists that could not be read.",
  },
} as const satisfies Record<string, CounterDefinition>;

/** The agent's counters. */
export class Meters extends CommonMeters<keyof typeof counters> {
  constructor() {
    super("vaultbuddy_agent_", counters);
  }
}
