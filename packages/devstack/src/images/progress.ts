// What the engine tells while it builds or imports: read to the end, because a failure is told there, under status 200.

import { jsonLines } from "../engine/docker-stream.ts";

const LAST_LINES = 20;

/** Resolves when the engine is done. Rejects with its error and the last lines before it. */
export async function finish(progress: AsyncIterable<unknown>): Promise<void> {
  const last: string[] = [];
  for await (const line of jsonLines(progress)) {
    if (typeof line !== "object" || line === null) continue;
    const { stream, error } = line as { stream?: unknown; error?: unknown };
    if (typeof stream === "string" && stream.trim() !== "") {
      last.push(stream.trimEnd());
      last.splice(0, last.length - LAST_LINES);
    }
    if (error !== undefined) {
      const told = typeof error === "string" ? error : JSON.stringify(error);
      throw new Error(`${told}\n${last.join("\n")}`);
    }
  }
}
