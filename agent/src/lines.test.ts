// The framing must give the same lines however the bytes are cut, so the cuts are left to chance.

import fc from "fast-check";
import { expect, test } from "vitest";
import { lines } from "./lines.ts";

async function* chunked(
  bytes: Buffer,
  cuts: readonly number[],
): AsyncGenerator<Uint8Array> {
  let from = 0;
  for (const cut of cuts.toSorted((a, b) => a - b)) {
    yield bytes.subarray(from, Math.min(cut, bytes.length));
    from = Math.min(cut, bytes.length);
  }
  yield bytes.subarray(from);
}

async function all(
  bytes: Buffer,
  cuts: readonly number[],
  max: number,
): Promise<(string | undefined)[]> {
  return await gather(lines(chunked(bytes, cuts), max));
}

async function gather<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const gathered: Item[] = [];
  for await (const item of items) {
    gathered.push(item);
  }
  return gathered;
}

test("lines are the same wherever the chunks end, also inside a character", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 })),
      fc.array(fc.nat(400)),
      async (texts, cuts) => {
        const clean = texts
          .map((text) => text.replaceAll("\n", "").trim())
          .filter((text) => text !== "" && text.isWellFormed());
        const bytes = Buffer.from(clean.map((text) => `${text}\n`).join(""));
        expect(await all(bytes, cuts, 1000)).toEqual(clean);
      },
    ),
  );
});

test("a line that is too long costs itself and not its neighbours", async () => {
  const bytes = Buffer.from(`first\n${"x".repeat(5000)}\nlast\n`);
  for (const cuts of [[], [100, 200, 3000], [5005, 5006, 5007]]) {
    expect(await all(bytes, cuts, 100)).toEqual(["first", undefined, "last"]);
  }
});

test("a line of exactly the cap is read, one byte more is not", async () => {
  const bytes = Buffer.from(`${"x".repeat(10)}\n${"y".repeat(11)}\n`);
  expect(await all(bytes, [3, 14], 10)).toEqual(["x".repeat(10), undefined]);
});

test("empty lines are left out, and so is one that the stream's end cut off", async () => {
  expect(await all(Buffer.from("\n\r\na\n\nhalf a li"), [], 100)).toEqual([
    "a",
  ]);
});
