// A request's body, up to a limit.

import type { IncomingMessage } from "node:http";

/** All of it, or undefined when it is longer than `max`; what comes after the limit is not kept. */
export async function readBody(
  request: IncomingMessage,
  max: number,
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size <= max) chunks.push(chunk);
  }
  return size > max ? undefined : Buffer.concat(chunks);
}
