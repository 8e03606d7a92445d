// Who is alive: each broker process counts up a heartbeat of its own once a second, and a claim names its owner. Nobody
// compares two machines' clocks: an owner is dead when its entry was seen unchanged for five seconds of the observer's
// own time, and an owner stops sending when its own last beat is three seconds old, two seconds before anybody may think so.

import type { Clock } from "@vaultbuddy/common";
import { ledgerUnavailable } from "../ledger/ledger.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** How often an owner beats, in milliseconds. */
export const BEAT = 1000;
/** How young the last beat must be for a send, in milliseconds. */
export const FRESH = 3000;
/** How long an entry must have been seen unchanged before the owner's claims are taken over, in milliseconds. */
export const DEAD = 5000;
/** After how long a silent heartbeat is thrown away, in milliseconds. A missing one counts as an unchanged one. */
const FORGOTTEN = 3_600_000;
/** How many owners are remembered; whoever is dropped is merely watched anew. */
const REMEMBERED = 1000;

interface Sighting {
  /** Of the entry: it changes with each beat, whatever a broker of another version writes into it. */
  readonly version: string | undefined;
  readonly since: number;
}

/** This process's heartbeat, and what it has seen of the others'. */
export class Lease {
  /** This process's name in the ledger: random, and new at each start. */
  readonly owner: string;
  readonly #ledger: Ledger;
  readonly #clock: Clock;
  readonly #seen = new Map<string, Sighting>();
  #count = 0;
  #version: string | undefined;
  #beatAt = Number.NEGATIVE_INFINITY;

  constructor(ledger: Ledger, clock: Clock, owner: string) {
    this.#ledger = ledger;
    this.#clock = clock;
    this.owner = owner;
  }

  /** One beat. Throws a Refusal `ledger_unavailable`. */
  async beat(): Promise<void> {
    // From before the write: whoever sees the new count sees it later than this.
    const began = this.#clock.monotonic();
    const key = keyOf(this.owner);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const value = JSON.stringify({ v: 1, count: this.#count + 1 });
      // Counted even if the write fails, since it may have happened. The count is for people; the version tells beats apart.
      this.#count += 1;
      const version =
        this.#version === undefined
          ? await this.#ledger.putIfAbsent(key, "owner", value)
          : await this.#ledger.compareAndSwap(
              key,
              this.#version,
              "owner",
              value,
            );
      if (version !== undefined) {
        this.#version = version;
        this.#beatAt = began;
        return;
      }
      this.#version = (await this.#ledger.read(key))?.version;
    }
    throw ledgerUnavailable("the broker's heartbeat cannot be written");
  }

  /** Whether nobody can have taken this process for dead yet. */
  isFresh(): boolean {
    return this.#clock.monotonic() - this.#beatAt < FRESH;
  }

  /** Whether an owner has been silent for long enough. Answers no when asked for the first time. */
  async isDead(owner: string): Promise<boolean> {
    return (await this.#silence(owner)) >= DEAD;
  }

  /** The last word of this process: it sends nothing any more, and its heartbeat is thrown away. */
  async leave(): Promise<void> {
    this.#beatAt = Number.NEGATIVE_INFINITY;
    if (this.#version !== undefined) {
      await this.#ledger.remove(keyOf(this.owner), this.#version);
      this.#version = undefined;
    }
  }

  /** Throws away heartbeats that have been silent for an hour; looks at no more than a hundred. */
  async tidy(): Promise<void> {
    for (const entry of await this.#ledger.scan("owner", "", 100)) {
      const owner = entry.key.slice(keyOf("").length);
      const silence = await this.#silence(owner);
      if (owner !== this.owner && silence >= FORGOTTEN) {
        await this.#ledger.remove(entry.key, entry.version);
      }
    }
  }

  /** For how long an owner has surely not beaten, in milliseconds. */
  async #silence(owner: string): Promise<number> {
    const asked = this.#clock.monotonic();
    const version = (await this.#ledger.read(keyOf(owner)))?.version;
    const seen = this.#seen.get(owner);
    if (seen !== undefined && seen.version === version) {
      return asked - seen.since;
    }
    this.#seen.delete(owner);
    this.#seen.set(owner, { version, since: this.#clock.monotonic() });
    const oldest = this.#seen.keys().next();
    if (this.#seen.size > REMEMBERED && oldest.done !== true) {
      this.#seen.delete(oldest.value);
    }
    return 0;
  }
}

function keyOf(owner: string): string {
  return `owner|${owner}`;
}
