// Docker's two framings: the 8-byte headers that keep stdout and stderr apart in a log, and the lines of JSON in its
// event stream. dockerode hands both over raw.

const maxLineBytes = 1_048_576;

/** The payloads of a multiplexed log, in order: `[stream, 0, 0, 0, length (4 bytes, big endian)]` before each. */
export function* frames(raw: Buffer): Generator<Buffer> {
  let at = 0;
  while (at + 8 <= raw.length) {
    const length = raw.readUInt32BE(at + 4);
    yield raw.subarray(at + 8, at + 8 + length);
    at += 8 + length;
  }
}

/** The values of a stream of JSON lines. Throws when a line is no JSON or has no end within a mebibyte. */
export async function* jsonLines(
  stream: AsyncIterable<unknown>,
): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    rest +=
      typeof chunk === "string"
        ? chunk
        : decoder.decode(asBytes(chunk), { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > maxLineBytes)
      throw new Error("a line of the event stream has no end");
    for (const line of lines) {
      if (line.trim() !== "") yield JSON.parse(line);
    }
  }
}

function asBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError("a stream chunk is neither text nor bytes");
}
