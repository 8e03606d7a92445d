// A notice becomes a delivered token, or a refusal. Read this first: every step is a call in steps(), in order, and what
// each failure undoes stands beside it.

import { Refusal } from "@vaultbuddy/common";
import type { Clock, Delivered, Notice } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import { isRestart, refusalFor } from "./claim.ts";
import type { Claim, Claims } from "./claim.ts";
import { connect } from "./connect.ts";
import type { Channel, ConnectDeps, Dial } from "./connect.ts";
import { deliver, refuseTooLarge, writeSigned } from "./deliver.ts";
import type { DeliverDeps, Outcome } from "./deliver.ts";
import { failure, refusalOf } from "./failure.ts";
import type { TaskKeys } from "./keyring.ts";
import type { Meters } from "./meters.ts";
import { madeNothing, mint } from "./mint.ts";
import type { MintDeps, Wrapped } from "./mint.ts";
import type { Rule } from "./policy.ts";
import { reach } from "./reach.ts";
import { Trail } from "./trail.ts";
import type { VouchCall, Vouched } from "./validate.ts";

export interface BrokerDeps {
  /** The machine's own, by which deliveries are dated. */
  readonly clock: Clock;
  /** The one that claims judge by: a set clock must not make an opened wrapping token look like one that ran out. */
  readonly steady: Pick<Clock, "now">;
  readonly log: Log;
  readonly meters: Meters;
  readonly claims: Claims;
  /** The restart rule of a container whose family is already known; undefined when no rule matches any more. */
  readonly restartRule: (family: string, container: string) => Rule["restart"];
  /** Asks ECS, and waits for what is not yet so. Throws Refusal. */
  readonly vouch: (notice: Notice, call: VouchCall) => Promise<Vouched>;
  /** The keys for a handoff to a task. Throws Refusal when there are none of the kind its rule asks for. */
  readonly keysFor: (task: Vouched) => TaskKeys;
  readonly channel: ConnectDeps;
  readonly mint: MintDeps;
  readonly delivered: DeliverDeps["vault"];
  /** Milliseconds from a notice to its receipt. */
  readonly deliveryTimeout: number;
}

/** How many handoffs may be under way at once. */
const MOST_IN_FLIGHT = 10_000;
/** A delivery is given up this long before its wrapping token ends, in milliseconds. */
const BEFORE_WRAP_ENDS = 2000;

/** A verdict that is still open this long before the deadline is told as such, in milliseconds. */
const DECIDE_BEFORE = 250;

/** The flow. One instance a process. */
export class Broker {
  readonly #deps: BrokerDeps;
  readonly #inFlight = new Map<string, Promise<Delivered>>();
  readonly #cutShort = new AbortController();

  constructor(deps: BrokerDeps) {
    this.#deps = deps;
  }

  /**
   * Hands a container its token. Equal notices of one source share one handoff, which goes on when a caller leaves. Those
   * of different sources meet at the claim and no sooner: whoever comes second must neither stand in the first one's line
   * at ECS nor be answered what the first one got for naming another cluster. Throws Refusal.
   */
  handOff(notice: Notice, source: string): Promise<Delivered> {
    const key = `${source}|${notice.cluster.arn}|${notice.task.arn}|${notice.containerName}|${notice.containerId}`;
    const running = this.#inFlight.get(key);
    if (running !== undefined) {
      return running;
    }
    if (this.#inFlight.size >= MOST_IN_FLIGHT) {
      return Promise.reject(
        new Refusal(
          "rate_limited",
          "too many handoffs are under way: ask again soon",
        ),
      );
    }
    const work = this.#run(notice, source).finally(() =>
      this.#inFlight.delete(key),
    );
    this.#inFlight.set(key, work);
    return work;
  }

  /** How many handoffs are under way. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Waits for what is in flight, at most `ms`; then cuts it short, which releases or revokes. */
  async drain(ms: number): Promise<void> {
    const all = (): Promise<unknown> =>
      Promise.allSettled(this.#inFlight.values());
    const late = new AbortController();
    await Promise.race([
      all().finally(() => late.abort(new Error("drained"))),
      this.#deps.clock.sleep(ms, late.signal).catch(() => undefined),
    ]);
    this.#cutShort.abort(new Error("the broker stops"));
    await all();
  }

  async #run(notice: Notice, source: string): Promise<Delivered> {
    const { clock, deliveryTimeout, log } = this.#deps;
    const trail = new Trail(notice, clock);
    const signal = AbortSignal.any([
      this.#cutShort.signal,
      AbortSignal.timeout(deliveryTimeout),
    ]);
    try {
      const delivered = await this.#steps(notice, source, trail, signal);
      this.#deps.meters.count("handoffs", trail.tell(log, undefined));
      return delivered;
    } catch (error) {
      this.#deps.meters.count("handoffs", trail.tell(log, error));
      throw error;
    }
  }

  async #steps(
    notice: Notice,
    source: string,
    trail: Trail,
    signal: AbortSignal,
  ): Promise<Delivered> {
    const { claims } = this.#deps;
    const task = await trail.timed("validate", () =>
      this.#validate(notice, source, signal),
    );
    trail.family = task.family;
    const keys = this.#deps.keysFor(task);
    const taken = await trail.timed("claim", () => claims.take(task, signal));
    if ("joined" in taken) {
      return taken.joined;
    }
    const { claim } = taken;
    const askAgain = async (): Promise<Dial> =>
      dialFor(await this.#validate(notice, source, signal), keys);
    // Nothing is minted, and no earlier token revoked, before the channel to the container stands.
    const { channel, dial } = await trail
      .timed("connect", () =>
        reach(
          dialFor(task, keys),
          claim.generation > 0 ? askAgain : undefined,
          this.#deps.channel,
          signal,
        ),
      )
      .catch(async (error: unknown) => {
        throw await claims.release(claim, refusalOf(error));
      });
    trail.kid = channel.kid;
    try {
      refuseTooLarge(claim, channel, this.#signing(keys));
      const wrapped = await trail.timed("mint", () => this.#mint(claim));
      const outcome = await trail.timed("deliver", () =>
        this.#deliver(claim, wrapped, { channel, dial, keys }, signal),
      );
      if (outcome.kind !== "received") {
        throw failure(outcome, channel);
      }
      await claims.delivered(claim);
      return { outcome: "delivered", deliveryId: claim.deliveryId };
    } catch (error) {
      throw await claims.undo(claim, refusalOf(error));
    } finally {
      channel.close();
    }
  }

  async #validate(
    notice: Notice,
    source: string,
    signal: AbortSignal,
  ): Promise<Vouched> {
    const { clock, deliveryTimeout, vouch } = this.#deps;
    return await vouch(notice, {
      source,
      signal,
      deadline: clock.monotonic() + deliveryTimeout - DECIDE_BEFORE,
      standing: () => this.#standing(notice),
    });
  }

  /** Cheap, before ECS is asked: most repeated notices end here, and all of them while the broker has no token. */
  async #standing(notice: Notice): Promise<{ restartOf: boolean }> {
    const { claims, clock, mint: minting, restartRule } = this.#deps;
    const standing = await claims.standing({
      taskArn: notice.task.arn,
      containerName: notice.containerName,
      containerId: notice.containerId,
    });
    if (standing.family !== undefined) {
      const rule = restartRule(standing.family, notice.containerName);
      const refusal = refusalFor(standing, rule, clock.now());
      if (refusal !== undefined) {
        throw refusal;
      }
    }
    minting.token();
    return { restartOf: isRestart(standing) };
  }

  async #mint(claim: Claim): Promise<Wrapped> {
    const { claims, steady } = this.#deps;
    await claims.minting(claim);
    const wrapped = await mint(claim, this.#deps.mint).catch(
      async (error: unknown) => {
        // Somebody else's outage must not use up the container's tries.
        throw madeNothing(error)
          ? await claims.release(claim, refusalOf(error))
          : error;
      },
    );
    const now = steady.now();
    await claims.minted(claim, {
      accessor: wrapped.accessor,
      wrapAccessor: wrapped.wrapAccessor,
      wrapExpires: now + wrapped.wrapTtl * 1000,
      tokenExpires: now + wrapped.firstTtl * 1000,
      creationPath: wrapped.creationPath,
    });
    return wrapped;
  }

  #signing(keys: TaskKeys): Pick<DeliverDeps, "clock" | "keys" | "vault"> {
    const { clock, delivered } = this.#deps;
    return { clock, keys: keys.active(), vault: delivered };
  }

  async #deliver(
    claim: Claim,
    wrapped: Wrapped,
    { channel, dial, keys }: { channel: Channel; dial: Dial; keys: TaskKeys },
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { claims, channel: connecting } = this.#deps;
    const again = sameListener(dial, channel);
    const deps: DeliverDeps = {
      ...this.#signing(keys),
      reconnect: (until) => connect(again, connecting, until),
      fresh: () => {
        claims.fresh(claim);
      },
    };
    const signed = writeSigned(claim, wrapped, channel, deps);
    await claims.sending(claim);
    const life = AbortSignal.timeout(
      Math.max(wrapped.wrapTtl * 1000 - BEFORE_WRAP_ENDS, 500),
    );
    return await deliver(
      channel,
      signed,
      { jti: claim.deliveryId, accessor: wrapped.accessor },
      deps,
      AbortSignal.any([signal, life]),
    );
  }
}

function dialFor(task: Vouched, keys: TaskKeys): Dial {
  if (task.plain) {
    return { ...task.dial, by: { kind: "plain" } };
  }
  return {
    ...task.dial,
    by:
      keys.proof === "hmac"
        ? { kind: "psk", keys: keys.active }
        : { kind: "certificate" },
  };
}

/** The delivery is signed for one certificate: it is not said to anybody who shows another. */
function sameListener(dial: Dial, { certificate }: Channel): Dial {
  return certificate === undefined
    ? dial
    : { ...dial, by: { kind: "certificate", expected: certificate } };
}
