// Step 1: Docker's event stream → started containers, none missed. Two loops that need each other but never wait for
// each other: one keeps a stream open, the other lists what runs, at each connect and every half minute. The subscription
// stands before the list is asked for, so what starts in between is in one of them, mostly in both; starts.ts tells which
// are new. While no stream can be had, each failed try ends in a list, so that the agent degrades to polling.

import { pause } from "@vaultbuddy/common";
import type { Backoff, Clock } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import type {
  ContainerEvent,
  Described,
  RunningContainer,
} from "./docker-answers.ts";
import type { Meters } from "./meters.ts";
import { Starts } from "./starts.ts";

/** What Docker says of itself. */
export interface Hello {
  /** For the log. */
  readonly version: string;
  /** Its clock, in milliseconds since 1970, to the second; absent when it did not say. */
  readonly time?: number;
}

/** One list of what runs. */
export interface Listing {
  readonly containers: readonly RunningContainer[];
  /** How many elements could not be read. */
  readonly unreadable: number;
  readonly time?: number;
}

/** What watching needs of Docker. Every call ends: with its answer, or with an error within its own deadline. */
export interface ContainerSource {
  hello(signal: AbortSignal): Promise<Hello>;
  /** Subscribes; the events since then, and after them those that come, until the stream ends or the signal does. */
  events(
    since: string,
    signal: AbortSignal,
  ): Promise<AsyncIterable<ContainerEvent | "unreadable">>;
  running(signal: AbortSignal): Promise<Listing>;
}

/** A container that has started. */
export interface StartedContainer extends Described {
  /** For how long it has run at least, in milliseconds. */
  readonly age: number;
  readonly by: "event" | "list";
}

/** Who is told. Neither call may throw. */
interface Audience {
  started(container: StartedContainer): void;
  /** The container's last start has ended. */
  ended(id: string): void;
}

export interface WatchDeps {
  readonly docker: ContainerSource;
  readonly audience: Audience;
  readonly clock: Clock;
  readonly log: Log;
  readonly meters: Meters;
}

/** How the watch does, for /healthz. Ages in milliseconds. */
export interface WatchHealth {
  /** For how long the stream has stood; absent while it doesn't. */
  readonly streamAge?: number;
  /** Since when there is no stream; absent while there is one. */
  readonly streamGone?: number;
  /** Since the last list that succeeded; before the first, since the start. */
  readonly listAge: number;
  readonly listed: boolean;
}

/** Between two lists. */
export const RELIST = 30_000;
/** A stream that dies without a word is found by what it did not announce, and on a quiet host by this. */
export const RENEW = 10 * 60_000;
/** So many findings of a list are told, and then as many milliseconds nothing. */
const PACE = 20;
/** How far back a new stream asks. What is older is left to the list. */
const REPLAY = 60_000;
/** A stream that stood this long, or brought an event, was no failure. */
const STOOD = 5000;
const RECONNECT: Backoff = { first: 100, most: 10_000 };

interface Stream {
  /** By our monotonic clock. */
  readonly opened: number;
  /** By Docker's. */
  readonly since: number;
  readonly cut: AbortController;
}

export class Watch {
  readonly #deps: WatchDeps;
  readonly #starts = new Starts();
  #stream: Stream | undefined;
  #gone: number;
  #listed: number | undefined;
  readonly #began: number;
  #last: { readonly time: number; readonly stamp: string } | undefined;
  /** Aborted when a list is wanted now. */
  #wanted = new AbortController();

  constructor(deps: WatchDeps) {
    this.#deps = deps;
    this.#began = deps.clock.monotonic();
    this.#gone = this.#began;
  }

  /** Watches until the signal aborts. Whatever Docker does is logged and tried again. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#follow(signal), this.#relist(signal)]);
  }

  health(): WatchHealth {
    const now = this.#deps.clock.monotonic();
    return {
      listAge: now - (this.#listed ?? this.#began),
      listed: this.#listed !== undefined,
      ...(this.#stream === undefined
        ? { streamGone: now - this.#gone }
        : { streamAge: now - this.#stream.opened }),
    };
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { clock, log, meters } = this.#deps;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const cut = new AbortController();
      // Also of a stream that broke in the end: however often Docker goes away, its return is met at once.
      let fruitful = false;
      try {
        const either = AbortSignal.any([signal, cut.signal]);
        await this.#session(cut, either, () => {
          fruitful = true;
        });
        log.info("docker's event stream has ended");
      } catch (error) {
        if (cut.signal.aborted) {
          fruitful = true;
        } else if (!signal.aborted) {
          meters.count("stream_failures");
          log.warn({ err: error }, "docker's event stream cannot be read");
        }
      } finally {
        cut.abort();
      }
      attempt = fruitful ? -1 : attempt;
      this.#wanted.abort();
      await rest(clock, pause(RECONNECT, Math.max(attempt, 0), clock), signal);
    }
  }

  /** One stream, from its opening to its end; `fruit` is called when it has stood for a while or brought an event. */
  async #session(
    cut: AbortController,
    signal: AbortSignal,
    fruit: () => void,
  ): Promise<void> {
    const { docker, clock, log, meters } = this.#deps;
    const hello = await docker.hello(signal);
    const since = hello.time ?? clock.now();
    const stream = await docker.events(this.#since(since), signal);
    const opened = clock.monotonic();
    this.#stream = { opened, since, cut };
    meters.count("stream_connects");
    log.info({ version: hello.version }, "docker's event stream stands");
    this.#wanted.abort();
    void clock.sleep(RENEW, signal).then(
      () => {
        cut.abort();
      },
      () => undefined,
    );
    try {
      for await (const event of stream) {
        fruit();
        this.#take(event);
      }
    } finally {
      this.#stream = undefined;
      this.#gone = clock.monotonic();
      if (this.#gone - opened >= STOOD) {
        fruit();
      }
    }
  }

  /** Docker keeps its last 256 events. `since` is inclusive, and starts.ts knows what it has seen. */
  #since(now: number): string {
    if (this.#last !== undefined && this.#last.time > now - REPLAY) {
      return this.#last.stamp;
    }
    // The answer's header may come a moment before the subscription, so the first stream asks for a moment too.
    const back = this.#listed === undefined ? 1000 : REPLAY;
    return `${Math.floor((now - back) / 1000)}.000000000`;
  }

  #take(event: ContainerEvent | "unreadable"): void {
    const { audience, log, meters } = this.#deps;
    if (event === "unreadable") {
      meters.count("unreadable");
      log.warn("docker sent an event that cannot be read");
      return;
    }
    if (this.#last === undefined || event.time >= this.#last.time) {
      this.#last = { time: event.time, stamp: event.stamp };
    }
    if (event.action === "die") {
      if (this.#starts.died(event)) {
        audience.ended(event.id);
      }
    } else if (this.#starts.event(event)) {
      meters.count("starts", "event");
      audience.started({ ...event, age: 0, by: "event" });
    }
  }

  async #relist(signal: AbortSignal): Promise<void> {
    const { clock, log, meters } = this.#deps;
    for (let failures = 0; !signal.aborted;) {
      const wait =
        failures === 0 ? RELIST : pause(RECONNECT, failures - 1, clock);
      await rest(clock, wait, AbortSignal.any([signal, this.#wanted.signal]));
      if (signal.aborted) {
        return;
      }
      this.#wanted = new AbortController();
      try {
        await this.#list(signal);
        meters.count("lists", "ok");
        failures = 0;
      } catch (error) {
        if (!signal.aborted) {
          meters.count("lists", "failed");
          log.warn({ err: error }, "docker's list cannot be read");
        }
        failures += 1;
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { docker, audience, clock, log, meters } = this.#deps;
    const stream = this.#stream;
    const asked = clock.monotonic();
    const listing = await docker.running(signal);
    const took = clock.monotonic() - asked;
    this.#listed = clock.monotonic();
    meters.count("unreadable", undefined, listing.unreadable);
    const found = this.#starts.list(listing.containers, {
      took,
      time: listing.time ?? clock.now(),
      ...(stream === undefined ? {} : { streamSince: stream.since }),
    });
    for (const [n, container] of found.started.entries()) {
      // An agent that starts on a full host would otherwise ask for hundreds at once, and keep the memory for it.
      if (n > 0 && n % PACE === 0) {
        await rest(clock, PACE, signal);
      }
      meters.count("starts", "list");
      audience.started({
        ...container,
        age: container.uptime?.min ?? 0,
        by: "list",
      });
    }
    if (found.unannounced > 0) {
      meters.count("unannounced", undefined, found.unannounced);
      log.warn(
        { count: found.unannounced },
        "the list shows starts that no event announced: opening a new stream",
      );
      stream?.cut.abort();
    }
  }
}

/** A pause that an abort ends early and quietly. */
async function rest(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  await clock.sleep(ms, signal).catch(() => undefined);
}
