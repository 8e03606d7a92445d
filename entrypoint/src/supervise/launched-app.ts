// Adapter: launcher/supervise.c, which has the command as its child. It is spoken with over a channel of messages of
// eight bytes; the numbers are those of its own file. What is to be started stands in the plan (launched.ts).

import type { Duplex } from "node:stream";
import { explain } from "../exec.ts";
import { Failure } from "../exit.ts";
import type { App, Environment } from "./keep.ts";

const START = 1;
const KILL = 2;
const ENDED = 3;
const STOPPED = 4;
const MESSAGE_BYTES = 8;

/** See the head of this file. */
export class LaunchedApp implements App {
  readonly #channel: Duplex;
  readonly #prepare: (env: Environment) => void;
  readonly #file: string;
  readonly #stopped = Promise.withResolvers<void>();
  #running: PromiseWithResolvers<number> | undefined;
  #rest = Buffer.alloc(0);

  /** `prepare` writes down what is to be started, and throws as execve does. */
  constructor(
    file: string,
    channel: Duplex,
    prepare: (env: Environment) => void,
  ) {
    this.#file = file;
    this.#channel = channel;
    this.#prepare = prepare;
    channel.on("data", (chunk: Buffer) => this.#take(chunk));
    channel.on("error", () => this.#lost());
    channel.once("close", () => this.#lost());
  }

  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  async run(env: Environment): Promise<number> {
    try {
      this.#prepare(env);
    } catch (error) {
      throw explain(error, this.#file);
    }
    this.#running = Promise.withResolvers<number>();
    this.#tell(START, 0);
    return await this.#running.promise;
  }

  kill(signal: number): void {
    this.#tell(KILL, signal);
  }

  #tell(what: number, value: number): void {
    const message = Buffer.alloc(MESSAGE_BYTES);
    message.writeUInt32LE(what, 0);
    message.writeUInt32LE(value, 4);
    this.#channel.write(message);
  }

  #take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= MESSAGE_BYTES) {
      const what = this.#rest.readUInt32LE(0);
      const value = this.#rest.readUInt32LE(4);
      this.#rest = this.#rest.subarray(MESSAGE_BYTES);
      if (what === ENDED) {
        this.#running?.resolve(value);
      } else if (what === STOPPED) {
        this.#stopped.resolve();
      }
    }
  }

  #lost(): void {
    this.#running?.reject(
      new Failure("internal", "the process that has the command is gone"),
    );
  }
}
