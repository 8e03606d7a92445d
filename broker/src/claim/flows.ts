// The claims at work in this process: what each flow last wrote, and what no page knows yet.

import type { Clock } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import type { Vouched } from "../validate.ts";
import { ClaimLost } from "./book.ts";
import type { Page } from "./book.ts";
import type { Reserved, Token } from "./record.ts";
import type { Turns } from "./turns.ts";

declare const claimed: unique symbol;

/** The permission to mint one token for one container. Only this file makes one, from a page that says `reserved`. */
export interface Claim {
  readonly [claimed]: true;
  readonly task: Vouched;
  /** The `jti` of everything that is sent under this claim. */
  readonly deliveryId: string;
  readonly generation: number;
}

/** A claim at work. */
export interface Flow {
  readonly claim: Claim;
  /** Its deadline. */
  readonly signal: AbortSignal;
  /** How many mints were counted before this attempt. */
  readonly mintsBefore: number;
  page: Page;
  /** Vault may have been asked since. */
  asked: boolean;
  /** What was minted, as soon as it was. */
  token: Token | undefined;
  overdueSince: number | undefined;
}

/** How long after its deadline a flow may still be undoing, in milliseconds; then the sweep takes its claim. */
const OVERDUE = 60_000;

/** The flows by their claim. Each has its container's turn. */
export class Flows {
  readonly #turns: Turns;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #flows = new Map<Claim, Flow>();

  constructor(turns: Turns, clock: Clock, log: Log) {
    this.#turns = turns;
    this.#clock = clock;
    this.#log = log;
  }

  begin(task: Vouched, page: Page<Reserved>, signal: AbortSignal): Claim {
    const { deliveryId, generation, mints } = page.record;
    const claim = { task, deliveryId, generation } as Claim;
    this.#flows.set(claim, {
      claim,
      signal,
      mintsBefore: mints,
      page,
      asked: false,
      token: undefined,
      overdueSince: undefined,
    });
    return claim;
  }

  find(claim: Claim): Flow | undefined {
    return this.#flows.get(claim);
  }

  /** Throws {@link ClaimLost} for a claim that has ended. */
  of(claim: Claim): Flow {
    const flow = this.#flows.get(claim);
    if (flow === undefined) {
      throw new ClaimLost();
    }
    return flow;
  }

  end(flow: Flow): void {
    if (this.#flows.delete(flow.claim)) {
      this.#turns.give(flow.page.key);
    }
  }

  /** A flow that never came back must not hold its claim for as long as the process lives. */
  endOverdue(): void {
    const now = this.#clock.monotonic();
    for (const flow of this.#flows.values()) {
      if (flow.signal.aborted) {
        flow.overdueSince ??= now;
        if (now - flow.overdueSince >= OVERDUE) {
          const { deliveryId } = flow.claim;
          this.#log.error({ deliveryId }, "a delivery was never ended");
          this.end(flow);
        }
      }
    }
  }
}
