// Vault's stand-in, the one thing Node's HTTP parser can't do: it knows no method LIST, which Vault's API is full of.
// So the bytes of each connection pass through here, where the request lines (found by the framing of RFC 9112) get a
// method that Node knows instead. Methods that nobody knows become one that is refused with Vault's own 405.

import { METHODS } from "node:http";
import { Duplex } from "node:stream";
import type { Socket } from "node:net";

/** What stands for LIST between here and http-request.ts. */
export const listMethod = "M-SEARCH";
/** What stands for any method that Node refuses to parse, and for a real M-SEARCH. */
const unknownMethod = "NOTIFY";
const known = new Set(METHODS.filter((method) => method !== listMethod));
const longestHead = 64 * 1024;

type State =
  | { readonly kind: "head" }
  | { readonly kind: "body"; left: number }
  | { readonly kind: "chunk size" }
  | { readonly kind: "chunk"; left: number }
  | { readonly kind: "trailer" }
  /** Nothing is changed any more: what comes is no HTTP that this file understands. */
  | { readonly kind: "raw" };

/** Rewrites the methods in a stream of requests; a head that is still incomplete is held back. */
export class MethodFilter {
  #state: State = { kind: "head" };
  #held: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): Buffer {
    const out: Buffer[] = [];
    this.#held = Buffer.concat([this.#held, bytes]);
    while (this.#held.length > 0 && this.#step(out));
    return Buffer.concat(out);
  }

  /** Handles one piece; false when more bytes are needed. */
  #step(out: Buffer[]): boolean {
    const state = this.#state;
    switch (state.kind) {
      case "raw":
        out.push(this.#take(this.#held.length));
        return false;
      case "head":
        return this.#head(out);
      case "body":
      case "chunk": {
        const piece = this.#take(Math.min(state.left, this.#held.length));
        out.push(piece);
        state.left -= piece.length;
        if (state.left === 0)
          this.#state =
            state.kind === "body" ? { kind: "head" } : { kind: "chunk size" };
        return true;
      }
      case "chunk size":
        return this.#chunkSize(out);
      case "trailer":
        return this.#trailer(out);
    }
  }

  #take(length: number): Buffer {
    const taken = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    return taken;
  }

  #head(out: Buffer[]): boolean {
    const end = this.#held.indexOf("\r\n\r\n");
    if (end === -1) {
      if (this.#held.length <= longestHead) return false;
      this.#state = { kind: "raw" };
      return true;
    }
    const head = this.#take(end + 4).toString("latin1");
    out.push(Buffer.from(rename(head), "latin1"));
    const length = /^content-length:[ \t]*(\d+)[ \t]*\r$/im.exec(head)?.[1];
    if (/^transfer-encoding:.*chunked/im.test(head))
      this.#state = { kind: "chunk size" };
    else if (length !== undefined && Number(length) > 0)
      this.#state = { kind: "body", left: Number(length) };
    return true;
  }

  #chunkSize(out: Buffer[]): boolean {
    const end = this.#held.indexOf("\r\n");
    if (end === -1) return false;
    const line = this.#take(end + 2);
    out.push(line);
    const size = Number.parseInt(line.toString("latin1"), 16);
    if (Number.isNaN(size)) this.#state = { kind: "raw" };
    // A chunk ends in a line break of its own.
    else if (size > 0) this.#state = { kind: "chunk", left: size + 2 };
    else this.#state = { kind: "trailer" };
    return true;
  }

  #trailer(out: Buffer[]): boolean {
    const end = this.#held.indexOf("\r\n");
    if (end === -1) return false;
    out.push(this.#take(end + 2));
    if (end === 0) this.#state = { kind: "head" };
    return true;
  }
}

function rename(head: string): string {
  return head.replace(
    /^((?:\r\n)*)(\S+) /,
    (_, blank: string, method: string) => {
      if (method === "LIST") return `${blank}${listMethod} `;
      return `${blank}${known.has(method) ? method : unknownMethod} `;
    },
  );
}

/** A connection whose requests are rewritten on their way in; answers pass unchanged. */
export class FilteredConnection extends Duplex {
  readonly #socket: Socket;
  readonly #filter = new MethodFilter();

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    // Head and body are written one after the other; without this the second waits for the first one's receipt.
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => {
      const filtered = this.#filter.push(bytes);
      if (filtered.length > 0 && !this.push(filtered)) socket.pause();
    });
    socket.on("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(
    bytes: Buffer,
    _encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this.#socket.write(bytes, done);
  }

  override _writev(
    chunks: { chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#socket.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done);
  }

  override _destroy(
    error: Error | null,
    done: (error?: Error | null) => void,
  ): void {
    this.#socket.destroy();
    done(error);
  }
}
