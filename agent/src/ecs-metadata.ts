// Adapter: the ECS agent's introspection, asked for the cluster when neither a label nor the task's ARN names it (ECS
// agents before 1.16, and ARNs of the old format).
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-introspection.html

import { Fields, parseJson, pause, ShapeError } from "@vaultbuddy/common";
import type { Backoff, Clock } from "@vaultbuddy/common";
import { TransportError } from "@vaultbuddy/common/daemon";
import type { Answer, Log } from "@vaultbuddy/common/daemon";

/** How the introspection is asked: one GET, with a deadline of its own. */
export type Get = (url: string) => Promise<Answer>;

export interface MetadataDeps {
  readonly url: string;
  readonly get: Get;
  readonly clock: Clock;
  readonly log: Log;
}

/** The largest answer that is read, in bytes. */
export const METADATA_BYTES = 64 * 1024;
/** A host does not change its cluster without a restart of the ECS agent; after this we look again. */
const FRESH = 5 * 60_000;
const RETRY: Backoff = { first: 100, most: 10_000 };

export class EcsMetadata {
  readonly #deps: MetadataDeps;
  #found: { readonly cluster: string; readonly until: number } | undefined;
  #asking: Promise<string> | undefined;

  constructor(deps: MetadataDeps) {
    this.#deps = deps;
  }

  /** The host's cluster. Tries until the signal aborts, and then throws its reason; many who ask make one request. */
  async cluster(signal: AbortSignal): Promise<string> {
    const { clock, log } = this.#deps;
    for (let attempt = 0; ; attempt += 1) {
      signal.throwIfAborted();
      if (this.#found !== undefined && this.#found.until > clock.monotonic()) {
        return this.#found.cluster;
      }
      try {
        this.#asking ??= this.#ask().finally(() => {
          this.#asking = undefined;
        });
        return await this.#asking;
      } catch (error) {
        log.warn({ err: error }, "the ECS agent's metadata cannot be read");
      }
      await clock.sleep(pause(RETRY, attempt, clock), signal);
    }
  }

  async #ask(): Promise<string> {
    const { url, get, clock } = this.#deps;
    // Under nobody's signal: whoever asked first may leave while others still wait for the answer.
    const answer = await get(url);
    if (answer.status !== 200) {
      throw new TransportError(`http_${answer.status}`);
    }
    const cluster = readCluster(answer.body);
    this.#found = { cluster, until: clock.monotonic() + FRESH };
    return cluster;
  }
}

function readCluster(body: Uint8Array): string {
  try {
    return new Fields(parseJson(body, METADATA_BYTES)).text("Cluster", {
      max: 512,
    });
  } catch (error) {
    if (error instanceof ShapeError) {
      throw new TransportError("not_metadata");
    }
    throw error;
  }
}
