// What a container stands on: the engine's parts, as far as a container needs them.

import type { Container } from "./container.ts";
import type { Events } from "./events.ts";
import type { Hex } from "./hex.ts";
import type { Instants } from "./instant.ts";
import type { Made } from "./made.ts";
import type { Networks } from "./networks.ts";
import type { Output, Spawning, Workload } from "./workload.ts";

/** Runs the containers of the receiver image. */
export interface ReceiverPort {
  /** Listens at the address; throws a fault when it can't or when the container's settings are no receiver's. */
  start(made: Made, address: string, output: Output): Promise<Workload>;
}

export interface Parts {
  readonly instants: Instants;
  readonly events: Events;
  readonly networks: Networks;
  readonly hex: Hex;
  /** Rejects when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly spawning: Spawning;
  readonly receivers: ReceiverPort;
  /** Aborted when the engine closes. */
  readonly closed: AbortSignal;
  /** Throws the fault for one that is not there. */
  container(reference: string): Container;
  /** Removes one that asked to be removed at its end. */
  forget(container: Container): Promise<void>;
}
