// What a container wrote: lines with their stream and time, the newest four mebibytes of them, and the frames in which
// the API hands them out.

import { iso, type Instants, type Nano } from "./instant.ts";

const mostBytes = 4 * 1_048_576;
/** Docker cuts a line into pieces of this size. */
const pieceBytes = 16_384;

/** 1 is stdout, 2 stderr. */
export type LogStream = 1 | 2;

export interface LogEntry {
  readonly stream: LogStream;
  readonly at: Nano;
  readonly bytes: Buffer;
}

/** Which entries are asked for. */
export interface LogQuery {
  readonly streams: readonly LogStream[];
  readonly since?: Nano | undefined;
  readonly until?: Nano | undefined;
  /** The last so many; undefined: all. */
  readonly tail?: number | undefined;
}

export class Logs {
  readonly #instants: Instants;
  #entries: LogEntry[] = [];
  #size = 0;
  #open: Partial<Record<LogStream, Buffer>> = {};
  #followers: Set<(entry: LogEntry) => void> | undefined;

  constructor(instants: Instants) {
    this.#instants = instants;
  }

  /** Takes what came out of a stream, in chunks that end anywhere. */
  write(stream: LogStream, chunk: Buffer): void {
    let rest = Buffer.concat([this.#open[stream] ?? Buffer.alloc(0), chunk]);
    for (;;) {
      const end = rest.indexOf(0x0a) + 1;
      const size = end === 0 || end > pieceBytes ? pieceBytes : end;
      if (end === 0 && rest.length < pieceBytes) break;
      this.#keep(stream, Buffer.from(rest.subarray(0, size)));
      rest = rest.subarray(size);
    }
    this.#open[stream] = Buffer.from(rest);
  }

  /** The process has ended: what it wrote without a line's end is a line. */
  end(): void {
    for (const stream of [1, 2] as const) {
      const rest = this.#open[stream];
      if (rest !== undefined && rest.length > 0) this.#keep(stream, rest);
    }
    this.#open = {};
  }

  select(query: LogQuery): LogEntry[] {
    const found = this.#entries.filter((one) => within(query, one));
    return query.tail === undefined
      ? found
      : found.slice(Math.max(0, found.length - query.tail));
  }

  /** Hands over every entry from now on, until the answer is called. */
  follow(query: LogQuery, onEntry: (entry: LogEntry) => void): () => void {
    const follower = (entry: LogEntry): void => {
      if (within(query, entry)) onEntry(entry);
    };
    this.#followers ??= new Set();
    this.#followers.add(follower);
    return () => this.#followers?.delete(follower);
  }

  #keep(stream: LogStream, bytes: Buffer): void {
    const entry = { stream, at: this.#instants.now(), bytes };
    this.#entries.push(entry);
    this.#size += bytes.length;
    if (this.#size > mostBytes) this.#forgetOldest();
    this.#followers?.forEach((follower) => follower(entry));
  }

  /** A quarter at a time, so that a chatty container doesn't move the whole list for each line. */
  #forgetOldest(): void {
    let drop = 0;
    for (; this.#size > (mostBytes * 3) / 4; drop += 1)
      this.#size -= this.#entries[drop]?.bytes.length ?? this.#size;
    this.#entries = this.#entries.slice(drop);
  }
}

function within(query: LogQuery, { stream, at }: LogEntry): boolean {
  return (
    query.streams.includes(stream) &&
    (query.since === undefined || at >= query.since) &&
    (query.until === undefined || at <= query.until)
  );
}

/** One entry as the API sends it where no terminal is attached: `[stream, 0, 0, 0, length]` and the bytes. */
export function frame(entry: LogEntry, timestamps: boolean): Buffer {
  const bytes = timestamps
    ? Buffer.concat([Buffer.from(`${iso(entry.at)} `), entry.bytes])
    : entry.bytes;
  const header = Buffer.alloc(8);
  header[0] = entry.stream;
  header.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}
