// What keeps a connection from taking forever. Node's own timeouts count from the connection; ours must let an idle channel
// stand, because the broker opens it before it has the token made.

import type { Socket } from "node:net";
import type { Clock } from "@vaultbuddy/common";

/** A request must be whole this long after its first byte; a handshake, after its connection. In milliseconds. */
export const REQUEST_TIME = 5000;
/** How long the other side may take to fetch the last answer before the process ends, in milliseconds. */
const LINGER = 1000;

export type Ticking = Pick<Clock, "sleep">;

/** Resolves when the connection is closed, or the other side has had its moment. */
export async function closed(socket: Socket, clock: Ticking): Promise<void> {
  if (!socket.destroyed) {
    const done = new AbortController();
    socket.once("close", () => done.abort());
    await clock.sleep(LINGER, done.signal).catch(() => undefined);
  }
}

/** Cuts a connection whose request is not whole in time. The time runs from a request's first byte. */
export class Guard {
  readonly #socket: Socket;
  readonly #clock: Ticking;
  #state: "idle" | "reading" | "whole" = "idle";
  #timer: AbortController | undefined;

  constructor(socket: Socket, clock: Ticking) {
    this.#socket = socket;
    this.#clock = clock;
    socket.on("data", () => this.begin());
    socket.once("close", () => this.#timer?.abort());
  }

  /** A first byte came. */
  begin(): void {
    if (this.#state === "idle") {
      this.#state = "reading";
      const timer = new AbortController();
      this.#timer = timer;
      this.#clock.sleep(REQUEST_TIME, timer.signal).then(
        () => this.#socket.destroy(),
        () => undefined,
      );
    }
  }

  /** The request is here. */
  whole(): void {
    this.#state = "whole";
    this.#timer?.abort();
  }

  /** It was answered; another may begin. */
  next(): void {
    this.#state = "idle";
  }
}
