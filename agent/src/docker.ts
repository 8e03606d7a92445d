// Adapter: a Docker Engine, through dockerode. Four GETs and no other: _ping, version, events and containers/json, so
// that a filtering socket proxy can allow just these, none of which shows a container's environment.

import type { IncomingMessage } from "node:http";
import Docker from "dockerode";
import { parseJson, ShapeError } from "@vaultbuddy/common";
import { TransportError } from "@vaultbuddy/common/daemon";
import {
  LINE_BYTES,
  LIST_BYTES,
  parseEvent,
  parseRunning,
} from "./docker-answers.ts";
import type { ContainerEvent, RunningContainer } from "./docker-answers.ts";
import { DockerWire } from "./docker-wire.ts";
import type { DockerAddress, DockerAnswer } from "./docker-wire.ts";
import { lines } from "./lines.ts";
import type { ContainerSource, Hello, Listing } from "./watch.ts";

/** A list on a host that is busy starting containers takes seconds; what takes longer is asked again. */
const TIMEOUT = 30_000;

interface Options {
  readonly abortSignal: AbortSignal;
  readonly since?: string;
  readonly filters?: Readonly<Record<string, readonly string[]>>;
}

/** What is used of dockerode. Its published types know neither these options of every call nor our transport. */
interface FourGets {
  ping(options: Options): Promise<unknown>;
  version(options: Options): Promise<unknown>;
  getEvents(options: Options): Promise<unknown>;
  listContainers(options: Options): Promise<unknown>;
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
    const options = {
      Promise,
      modem: new DockerWire(address, { timeout, maxBytes: LIST_BYTES }),
    };
    this.#docker = new Docker(options) as unknown as FourGets;
    this.#labels = labels;
  }

  async hello(signal: AbortSignal): Promise<Hello> {
    const ping = answered(await this.#docker.ping({ abortSignal: signal }));
    const { body } = answered(
      await this.#docker.version({ abortSignal: signal }),
    );
    return {
      version: versionOf(body),
      ...(ping.time === undefined ? {} : { time: ping.time }),
    };
  }

  async events(
    since: string,
    signal: AbortSignal,
  ): Promise<AsyncIterable<ContainerEvent | "unreadable">> {
    const stream = await this.#docker.getEvents({
      since,
      filters: {
        type: ["container"],
        event: ["start", "die"],
        label: this.#labels,
      },
      abortSignal: signal,
    });
    return read(stream as IncomingMessage);
  }

  async running(signal: AbortSignal): Promise<Listing> {
    const answer = answered(
      await this.#docker.listContainers({
        filters: { label: this.#labels },
        abortSignal: signal,
      }),
    );
    const elements = listOf(answer.body);
    const containers: RunningContainer[] = [];
    let unreadable = 0;
    for (const [index, element] of elements.entries()) {
      try {
        const container = parseRunning(element, `[${index}]`);
        if (container !== undefined) {
          containers.push(container);
        }
      } catch (error) {
        mustBeShape(error);
        unreadable += 1;
      }
    }
    return {
      containers,
      unreadable,
      ...(answer.time === undefined ? {} : { time: answer.time }),
    };
  }
}

async function* read(
  stream: IncomingMessage,
): AsyncGenerator<ContainerEvent | "unreadable"> {
  for await (const line of lines(stream, LINE_BYTES)) {
    const event = line === undefined ? "unreadable" : readLine(line);
    if (event !== undefined) {
      yield event;
    }
  }
}

function readLine(line: string): ContainerEvent | "unreadable" | undefined {
  try {
    return parseEvent(line);
  } catch (error) {
    mustBeShape(error);
    return "unreadable";
  }
}

/** What DockerWire answered: dockerode hands it through under types of its own. */
function answered(value: unknown): DockerAnswer {
  return value as DockerAnswer;
}

/** For the log only, so that an answer without one is no failure. */
function versionOf(body: Buffer): string {
  const version = /"Version"\s*:\s*"([\w.+~-]{1,60})"/.exec(
    body.subarray(0, 64 * 1024).toString("latin1"),
  );
  return version?.[1] ?? "unknown";
}

function listOf(body: Buffer): readonly unknown[] {
  try {
    const value = parseJson(body, LIST_BYTES);
    if (Array.isArray(value)) {
      return value;
    }
  } catch (error) {
    mustBeShape(error);
  }
  throw new TransportError("not_a_list");
}

function mustBeShape(error: unknown): void {
  if (!(error instanceof ShapeError)) {
    throw error;
  }
}
