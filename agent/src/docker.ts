// Adapter: a Docker Engine, through dockerode. Four GETs and no other: _ping, version, events and containers/json, so
// that a filtering socket proxy can allow just these, none of which shows a container's environment.

import Docker from "dockerode";
import { parseJson, ShapeError } from "@vaultbuddy/common";
import { TransportError } from "@vaultbuddy/common/daemon";
import {
  ELEMENT_BYTES,
  LINE_BYTES,
  LIST_BYTES,
  parseEvent,
  parseRunning,
} from "./docker-answers.ts";
import type { ContainerEvent, RunningContainer } from "./docker-answers.ts";
import { DockerWire } from "./docker-wire.ts";
import type { DockerAddress, DockerAnswer } from "./docker-wire.ts";
import { elements, NotAList } from "./elements.ts";
import { readCapped } from "./exchange.ts";
import { lines } from "./lines.ts";
import type { ContainerSource, Hello, Listing } from "./watch.ts";

/** A list on a host that is busy starting containers takes seconds; what takes longer is asked again. */
const TIMEOUT = 30_000;
/** For the two answers of which little is used. */
const SMALL_BYTES = 256 * 1024;

interface Options {
  readonly abortSignal: AbortSignal;
  readonly since?: string;
  readonly filters?: Readonly<Record<string, readonly string[]>>;
}

/** What is used of dockerode. Its published types know neither these options of every call nor our transport. */
interface FourGets {
  ping(options: Options): Promise<DockerAnswer>;
  version(options: Options): Promise<DockerAnswer>;
  getEvents(options: Options): Promise<DockerAnswer>;
  listContainers(options: Options): Promise<DockerAnswer>;
}

/** The engine at an address, as far as containers with all of `labels` (`name` or `name=value`) are concerned. */
export class DockerEngine implements ContainerSource {
  readonly #docker: FourGets;
  readonly #labels: readonly string[];

  constructor(
    address: DockerAddress,
    labels: readonly string[],
    timeout = TIMEOUT,
  ) {
    const options = { Promise, modem: new DockerWire(address, timeout) };
    this.#docker = new Docker(options) as unknown as FourGets;
    this.#labels = labels;
  }

  async hello(signal: AbortSignal): Promise<Hello> {
    const ping = await this.#docker.ping({ abortSignal: signal });
    await readCapped(ping.body, SMALL_BYTES);
    const version = await this.#docker.version({ abortSignal: signal });
    const said = await readCapped(version.body, SMALL_BYTES);
    return {
      version: versionOf(said),
      ...(ping.time === undefined ? {} : { time: ping.time }),
    };
  }

  async events(
    since: string,
    signal: AbortSignal,
  ): Promise<AsyncIterable<ContainerEvent | "unreadable">> {
    const answer = await this.#docker.getEvents({
      since,
      filters: {
        type: ["container"],
        event: ["start", "die"],
        label: this.#labels,
      },
      abortSignal: signal,
    });
    return read(answer.body);
  }

  async running(signal: AbortSignal): Promise<Listing> {
    const answer = await this.#docker.listContainers({
      filters: { label: this.#labels },
      abortSignal: signal,
    });
    const containers: RunningContainer[] = [];
    let unreadable = 0;
    try {
      const body = capped(answer.body, LIST_BYTES);
      for await (const element of elements(body, ELEMENT_BYTES)) {
        const container = readElement(element);
        if (container === "unreadable") {
          unreadable += 1;
        } else if (container !== undefined) {
          containers.push(container);
        }
      }
    } catch (error) {
      throw error instanceof NotAList
        ? new TransportError("not_a_list")
        : error;
    }
    return {
      containers,
      unreadable,
      ...(answer.time === undefined ? {} : { time: answer.time }),
    };
  }
}

async function* read(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<ContainerEvent | "unreadable"> {
  for await (const line of lines(body, LINE_BYTES)) {
    const event =
      line === undefined ? "unreadable" : readOne(() => parseEvent(line));
    if (event !== undefined) {
      yield event;
    }
  }
}

function readElement(
  element: Uint8Array | undefined,
): RunningContainer | "unreadable" | undefined {
  return element === undefined
    ? "unreadable"
    : readOne(() => parseRunning(parseJson(element, ELEMENT_BYTES)));
}

/** What Docker wrote and we cannot read costs itself and nothing else. */
function readOne<Value>(parse: () => Value): Value | "unreadable" {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ShapeError) {
      return "unreadable";
    }
    throw error;
  }
}

async function* capped(
  body: AsyncIterable<Uint8Array>,
  max: number,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > max) {
      throw new TransportError("too_large");
    }
    yield chunk;
  }
}

/** For the log only, so that an answer without one is no failure. */
function versionOf(body: Buffer): string {
  const version = /"Version"\s*:\s*"([\w.+~-]{1,60})"/.exec(
    body.toString("latin1"),
  );
  return version?.[1] ?? "unknown";
}
