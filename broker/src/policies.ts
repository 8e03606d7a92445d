// The policy the broker judges by now, and how it is exchanged for a newer one: whole and checked, or not at all. A
// document that turns out faulty leaves the old policy in force, because a slip of the pen must neither stop a cluster nor
// widen what its tasks may have; before the first one is loaded, nobody gets anything.

import { pause, Refusal } from "@vaultbuddy/common";
import type { Clock } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import type { PolicySource } from "./policies/documents.ts";
import { loadPolicies } from "./policy.ts";
import type { Policy, PolicyDocument } from "./policy.ts";

/** What {@link Policies} needs. */
export interface PoliciesDeps {
  readonly source: PolicySource;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of a policy before it comes into force; what it throws keeps the policy out. */
  readonly accept: (policy: Policy) => Promise<void>;
}

/** Between two tries while there is no policy at all, in milliseconds. */
const FIRST = { first: 500, most: 15_000 };
/** Without a refresh of its own a source is read when told; the loop's timer has a longest time. */
const LONGEST = 2 ** 31 - 1;

/** The policy in force. */
export class Policies {
  readonly #deps: PoliciesDeps;
  #current: { policy: Policy; print: string } | undefined;
  #trouble: string | undefined;
  #told = false;
  #wake = new AbortController();

  /** `first` is a policy that was loaded before the broker was put together. */
  constructor(
    deps: PoliciesDeps,
    first?: { documents: readonly PolicyDocument[]; policy: Policy },
  ) {
    this.#deps = deps;
    this.#current = first && {
      policy: first.policy,
      print: printOf(first.documents),
    };
  }

  /** The policy in force. Throws Refusal `sealed` before there is one. */
  get current(): Policy {
    if (this.#current === undefined) {
      throw noPolicy();
    }
    return this.#current.policy;
  }

  /** Throws Refusal `sealed` before there is a policy. */
  mustBeLoaded(): void {
    if (!this.loaded) {
      throw noPolicy();
    }
  }

  get loaded(): boolean {
    return this.#current !== undefined;
  }

  /** Whether the last try to load it failed, so that an older policy may be in force than what is written. */
  get stale(): boolean {
    return this.#trouble !== undefined;
  }

  /** Reads the source at once instead of at the next turn, and says what came of it also when nothing is new. */
  reload(): void {
    this.#told = true;
    this.#wake.abort();
  }

  /** Loads, and loads again as the source asks for it or {@link reload} is called, until `stop` aborts. */
  async keep(stop: AbortSignal): Promise<void> {
    const { clock, source } = this.#deps;
    await this.#lookAtFirst();
    for (let attempt = 0; !stop.aborted; attempt += 1) {
      if (this.#told || !this.loaded || source.refresh !== undefined) {
        this.#wake = new AbortController();
        await this.load();
      }
      const wait = this.loaded
        ? (source.refresh ?? LONGEST)
        : pause(FIRST, attempt, clock);
      await this.#rest(wait, stop);
    }
  }

  /** One try. Never throws. */
  async load(): Promise<void> {
    const { source, accept, log } = this.#deps;
    const told = this.#told;
    this.#told = false;
    try {
      const documents = await source.documents();
      const print = printOf(documents);
      const isNew = print !== this.#current?.print;
      if (isNew) {
        const policy = loadPolicies(documents, source.name);
        await accept(policy);
        this.#current = { policy, print };
      }
      if (isNew || told || this.stale) {
        const rules = this.#current?.policy.rules.length;
        log.info(
          { policy: source.name, documents: documents.length, rules },
          isNew ? "a policy is in force" : "the policy has not changed",
        );
      }
      this.#trouble = undefined;
    } catch (error) {
      this.#tell(error, told);
    }
  }

  /** A policy that was in force before the broker had a token is looked at now; it was checked at the login. */
  async #lookAtFirst(): Promise<void> {
    const { accept, log, source } = this.#deps;
    if (this.#current !== undefined) {
      await accept(this.#current.policy).catch((error: unknown) => {
        log.warn(
          { policy: source.name, err: error },
          "the policy's token roles could not be looked at",
        );
      });
    }
  }

  /** Once for each kind of trouble, and each time somebody asked. */
  #tell(error: unknown, told: boolean): void {
    const { log, source } = this.#deps;
    const trouble = error instanceof Error ? error.message : "unknown";
    if (told || trouble !== this.#trouble) {
      log.error(
        { policy: source.name, err: error },
        this.loaded
          ? "the policy could not be loaded: the one before it stays in force"
          : "the policy could not be loaded: nobody gets a token before it is",
      );
    }
    this.#trouble = trouble;
  }

  async #rest(ms: number, stop: AbortSignal): Promise<void> {
    try {
      await this.#deps.clock.sleep(
        ms,
        AbortSignal.any([stop, this.#wake.signal]),
      );
    } catch {
      // Woken early, by a reload or by the stop; the caller's loop looks which.
    }
  }
}

function noPolicy(): Refusal<"sealed"> {
  return new Refusal(
    "sealed",
    "the broker has not been able to load its policy document yet: see its log for why",
  );
}

function printOf(documents: readonly PolicyDocument[]): string {
  return JSON.stringify(documents.map(({ source, text }) => [source, text]));
}
