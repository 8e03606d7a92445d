// What may change while the command runs: the token and its leases, which are renewed, and what stands in KV, which is
// read anew from time to time. What counts as a change is what the command would be given now, and nothing else: a new
// version with the same values, or another key of the same secret, is none.

import { createHash } from "node:crypto";
import { pause } from "@vaultbuddy/common";
import type { Clock, Secret } from "@vaultbuddy/common";
import { Failure } from "../exit.ts";
import type { Found, RepeatDeps } from "../found.ts";
import type { Log } from "../log.ts";
import { readAll } from "../read.ts";
import type { Answers, Content, Needs, ReadPort } from "../read.ts";
import { sourceId } from "../reference.ts";
import type { Token } from "../unwrap.ts";
import { BACKOFF, keepAlive } from "./alive.ts";
import type { AliveDeps } from "./alive.ts";
import type { Environment, Watch } from "./keep.ts";
import type { SuperviseSettings } from "./settings.ts";

/** What watching asks of Vault. */
export interface LeasePort extends ReadPort {
  /** A lease's life after it was renewed, in seconds. */
  renewLease(
    token: Secret,
    id: string,
    increment: number,
    signal: AbortSignal,
  ): Promise<Found<number>>;
}

/** What the command was given, and how to give it anew. */
export interface Watched {
  readonly vault: LeasePort;
  readonly token: Token;
  /** The token's life now, in seconds. */
  readonly life: number;
  /** What is asked for when it is renewed, in seconds. */
  readonly tokenTtl: number;
  /** Whether the command has the token itself. */
  readonly gives: boolean;
  readonly needs: Needs;
  readonly answers: Answers;
  /** The variables. Throws a {@link Failure} that names no value. */
  readonly environment: (answers: Answers) => Environment;
  /** What each file holds. Throws likewise. */
  readonly files: (answers: Answers) => readonly string[];
  /** Writes them. Throws likewise. */
  readonly write: (answers: Answers) => void;
  /** Ends the token. Never rejects. */
  readonly end: () => Promise<void>;
}

interface WatchDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: Pick<SuperviseSettings, "onChange" | "poll">;
}

/** Where there is no Vault nothing changes. */
export const nothingToWatch: Watch = {
  next: () => new Promise(() => undefined),
  end: () => Promise.resolve(),
};

/** For comparing, without keeping what it is of. */
function printOf(what: readonly unknown[]): string {
  return what.length === 0
    ? ""
    : createHash("sha256").update(JSON.stringify(what)).digest("base64");
}

/** See the head of this file. It begins at once. */
export class VaultWatch implements Watch {
  readonly #watched: Watched;
  readonly #deps: WatchDeps;
  readonly #over = new AbortController();
  readonly #alive: AliveDeps & RepeatDeps;
  #answers: Answers;
  #given: { readonly env: string; readonly files: string };
  #latest: Environment | Failure | undefined;
  #waiting: (() => void) | undefined;
  /** Readings follow one another. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(watched: Watched, deps: WatchDeps) {
    this.#watched = watched;
    this.#deps = deps;
    this.#alive = { clock: deps.clock, signal: this.#over.signal };
    this.#answers = watched.answers;
    this.#given = this.#build(this.#answers);
    this.#inBackground(this.#keepToken());
    if (deps.settings.onChange !== "none" || this.#given.files !== "") {
      this.#inBackground(this.#poll());
    }
    this.#follow(watched.answers.contents);
  }

  async next(): Promise<Environment> {
    while (this.#latest === undefined) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    const latest = this.#latest;
    this.#latest = undefined;
    if (latest instanceof Failure) {
      throw latest;
    }
    return latest;
  }

  async end(): Promise<void> {
    this.#over.abort(new Error("the command has ended"));
    await this.#watched.end();
  }

  #tell(latest: Environment | Failure): void {
    this.#latest = latest;
    this.#waiting?.();
  }

  /** What ends with the watch ends quietly; any other fault is one of ours, and goes on as such. */
  #inBackground(work: Promise<void>): void {
    void work.catch((error: unknown) => {
      if (!this.#over.signal.aborted) {
        throw error;
      }
    });
  }

  async #keepToken(): Promise<void> {
    const { vault, token, life, tokenTtl, gives } = this.#watched;
    const { log } = this.#deps;
    await keepAlive(
      { seconds: life, renewable: token.renewable },
      () => vault.renew(token.token, tokenTtl, this.#over.signal),
      this.#alive,
    );
    // What hangs on it goes with it, and there is no way to another one but to start anew.
    this.#over.abort(new Error("the token ends"));
    const contents = [...this.#answers.contents.values()];
    if (gives || contents.some(({ leased }) => leased)) {
      this.#tell(
        new Failure(
          "renew_failed",
          "Vault does not renew the token any more, which the command has or leases hang on",
        ),
      );
    } else {
      log.warn(
        "Vault does not renew the token any more; the command keeps what it has, and no change is noticed",
      );
    }
  }

  async #poll(): Promise<void> {
    const { clock, settings } = this.#deps;
    for (;;) {
      // A little sooner each time, so that replicas that were started together don't restart together.
      await clock.sleep(
        settings.poll * (1 - clock.random() / 10),
        this.#over.signal,
      );
      await this.#readAnew(this.#answers.stable ?? new Set());
    }
  }

  #follow(contents: ReadonlyMap<string, Content>): void {
    const sharing = new Map<string, string[]>();
    for (const [source, { lease }] of contents) {
      if (lease !== undefined) {
        sharing.set(lease.id, [...(sharing.get(lease.id) ?? []), source]);
      }
    }
    for (const sources of sharing.values()) {
      this.#inBackground(this.#keepLease(new Set(sources)));
    }
  }

  /** Keeps a lease alive, and gets another one when it ends. */
  async #keepLease(sources: ReadonlySet<string>): Promise<void> {
    const { vault, token } = this.#watched;
    const { clock, log, settings } = this.#deps;
    const [first = ""] = sources;
    const lease = this.#answers.contents.get(first)?.lease;
    if (lease === undefined) {
      return;
    }
    const { id, seconds } = lease;
    await keepAlive(
      lease,
      () => vault.renewLease(token.token, id, seconds, this.#over.signal),
      this.#alive,
    );
    if (settings.onChange === "none" && this.#given.files === "") {
      log.warn("a lease ends that Vault does not renew any more");
      return;
    }
    log.info("a lease ends; its secret is read anew");
    for (let attempt = 0; !(await this.#readAnew(sources)); attempt += 1) {
      await clock.sleep(pause(BACKOFF, attempt, clock), this.#over.signal);
    }
    const { contents } = this.#answers;
    this.#follow(new Map([...contents].filter(([one]) => sources.has(one))));
  }

  /** Reads these sources once more, and tells of what is different. False when it could not be read or used. */
  #readAnew(sources: ReadonlySet<string>): Promise<boolean> {
    const done = this.#turn.then(() => this.#readOnce(sources));
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #readOnce(ids: ReadonlySet<string>): Promise<boolean> {
    const { vault, token, needs, write } = this.#watched;
    const { log } = this.#deps;
    const sources = needs.sources.filter((one) => ids.has(sourceId(one)));
    if (sources.length === 0) {
      return true;
    }
    try {
      const deps = { ...this.#alive, vault };
      const fresh = await readAll(token, { sources, ciphertexts: [] }, deps);
      this.#over.signal.throwIfAborted();
      const answers = {
        ...this.#answers,
        contents: new Map([...this.#answers.contents, ...fresh.contents]),
      };
      const given = this.#build(answers);
      if (given.files !== this.#given.files) {
        write(answers);
      }
      const changed =
        given.env !== this.#given.env || given.files !== this.#given.files;
      this.#answers = answers;
      this.#given = given;
      if (changed) {
        this.#tell(this.#watched.environment(answers));
      }
      return true;
    } catch (error) {
      this.#over.signal.throwIfAborted();
      if (!(error instanceof Failure)) {
        throw error;
      }
      log.warn("secrets could not be given anew; the command keeps its own", {
        why: error.message,
      });
      return false;
    }
  }

  #build(answers: Answers): { env: string; files: string } {
    const { environment, files } = this.#watched;
    const env = Object.entries(environment(answers)).toSorted(([a], [b]) =>
      a < b ? -1 : 1,
    );
    return { env: printOf(env), files: printOf(files(answers)) };
  }
}
