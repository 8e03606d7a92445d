// The framing of Docker's event stream: one JSON text per line, in chunks that end anywhere. Only whole lines are
// decoded, so that no character is ever split, and a line without end costs a bounded buffer and itself, not the stream.

const NEWLINE = 0x0a;

/** Splits a byte stream into lines of at most `max` bytes; `undefined` stands for one that was longer. Empty lines are left out. */
export async function* lines(
  stream: AsyncIterable<Uint8Array>,
  max: number,
): AsyncGenerator<string | undefined> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    let rest = chunk;
    for (;;) {
      const end = rest.indexOf(NEWLINE);
      const piece = end === -1 ? rest : rest.subarray(0, end);
      size += piece.length;
      // What lies beyond the cap is counted and thrown away; the line is given up when its end comes.
      if (size <= max) {
        parts.push(piece);
      } else {
        parts = [];
      }
      if (end === -1) {
        break;
      }
      if (size > max) {
        yield undefined;
      } else {
        const line = Buffer.concat(parts).toString("utf8").trim();
        if (line !== "") {
          yield line;
        }
      }
      parts = [];
      size = 0;
      rest = rest.subarray(end + 1);
    }
  }
  // A line that was cut off with its stream is nobody's event: the next connection asks for it again.
}
