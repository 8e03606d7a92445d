// Step 3 of the broker, around connect.ts: to the container, wherever ECS says that it listens now. A container that was
// restarted in place keeps its id while its host port may change, and ECS learns of that some time after the agent has
// told of the start; so while nobody answers, ECS is asked again. For a first start the address cannot change.

import { Refusal } from "@vaultbuddy/common";
import { connect } from "./connect.ts";
import type { Channel, ConnectDeps, Dial } from "./connect.ts";

/** A channel, and where it leads. */
export interface Reached {
  readonly channel: Channel;
  readonly dial: Dial;
}

/** How long one address is tried before ECS is asked again, in milliseconds. */
const TRY_FOR = 2000;

/**
 * Connects, again and again until `signal` aborts. `askAgain` is given for a container that was restarted in place; what
 * it throws ends the tries, unless it is that ECS does not answer. Throws what {@link connect} throws.
 */
export async function reach(
  first: Dial,
  askAgain: (() => Promise<Dial>) | undefined,
  deps: ConnectDeps,
  signal: AbortSignal,
): Promise<Reached> {
  if (askAgain === undefined) {
    return { channel: await connect(first, deps, signal), dial: first };
  }
  for (let dial = first; ; dial = await orElse(dial, askAgain)) {
    const enough = AbortSignal.any([signal, AbortSignal.timeout(TRY_FOR)]);
    try {
      return { channel: await connect(dial, deps, enough), dial };
    } catch (error) {
      if (signal.aborted || !enough.aborted) {
        throw error;
      }
    }
  }
}

async function orElse(
  dial: Dial,
  askAgain: () => Promise<Dial>,
): Promise<Dial> {
  try {
    return await askAgain();
  } catch (error) {
    if (error instanceof Refusal && error.code === "ecs_unavailable") {
      return dial;
    }
    throw error;
  }
}
