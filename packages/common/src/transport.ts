// What comes of a request, whoever sent it: a whole answer, or the reason there is none. Apart from http.ts so that a
// program with a client of its own does not carry undici's weight.

/** Something went wrong between us and a server, before there was a whole answer. Holds no part of what was sent. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly ours = true;
  /** The system's or undici's code, such as ECONNREFUSED, or `timeout`, `too_large`, `aborted`. */
  readonly code: string;

  constructor(code: string) {
    super(`no whole answer came (${code})`);
    this.code = code;
  }
}

/** A whole answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}
