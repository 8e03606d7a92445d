// A JSON array, element by element while it comes in: Docker's list of a thousand containers is more than a megabyte, of
// which the agent needs a hundredth, and reading it whole twice a minute would double the agent's memory.
// Only brackets and strings are followed here; whether an element is JSON is for whoever parses it.

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** What came is not one whole array. */
export class NotAList extends Error {
  override readonly name = "NotAList";
}

/** Gives the bytes of each element of an array; `undefined` for one of more than `max` bytes. Throws {@link NotAList}. */
export async function* elements(
  stream: AsyncIterable<Uint8Array>,
  max: number,
): AsyncGenerator<Uint8Array | undefined> {
  const splitter = new Splitter(max);
  for await (const chunk of stream) {
    yield* splitter.push(chunk);
  }
  splitter.end();
}

class Splitter {
  readonly #max: number;
  /** 0 before the array, 1 between its elements' brackets, more inside them. */
  #depth = 0;
  #over = false;
  #inString = false;
  #escaped = false;
  #parts: Uint8Array[] = [];
  #size = 0;

  constructor(max: number) {
    this.#max = max;
  }

  *push(chunk: Uint8Array): Generator<Uint8Array | undefined> {
    let from = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0;
      if (this.#inString) {
        this.#text(byte);
      } else if (this.#depth === 0) {
        this.#outside(byte);
        from = at + 1;
      } else if (byte === QUOTE) {
        this.#inString = true;
      } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
        this.#depth += 1;
      } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) {
        this.#depth -= 1;
        if (this.#depth === 0) {
          this.#over = true;
          this.#keep(chunk.subarray(from, at));
          yield* this.#take(true);
        }
      } else if (byte === COMMA && this.#depth === 1) {
        this.#keep(chunk.subarray(from, at));
        yield* this.#take(false);
        from = at + 1;
      }
    }
    this.#keep(chunk.subarray(from));
  }

  end(): void {
    if (!this.#over) {
      throw new NotAList("the array has no end");
    }
  }

  #text(byte: number): void {
    if (this.#escaped) {
      this.#escaped = false;
    } else if (byte === BACKSLASH) {
      this.#escaped = true;
    } else if (byte === QUOTE) {
      this.#inString = false;
    }
  }

  #outside(byte: number): void {
    if (byte === OPEN_LIST && !this.#over) {
      this.#depth = 1;
    } else if (!isSpace(byte)) {
      throw new NotAList("this is no array");
    }
  }

  #keep(part: Uint8Array): void {
    this.#size += part.length;
    if (this.#depth === 0 && !this.#over) {
      return;
    }
    if (this.#size > this.#max) {
      this.#parts = [];
    } else if (part.length > 0) {
      this.#parts.push(part);
    }
  }

  /** The element that has ended. Nothing but space, between the brackets, is an empty array and no element. */
  *#take(last: boolean): Generator<Uint8Array | undefined> {
    const element =
      this.#size > this.#max ? undefined : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#size = 0;
    if (element === undefined || !last || !element.every(isSpace)) {
      yield element;
    }
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
