// Splitting a list must give the same elements however the bytes are cut, and take nothing for a list that is none.

import fc from "fast-check";
import { expect, test } from "vitest";
import { elements, NotAList } from "./elements.ts";

async function* chunked(
  bytes: Buffer,
  cuts: readonly number[],
): AsyncGenerator<Uint8Array> {
  let from = 0;
  for (const cut of cuts.toSorted((a, b) => a - b)) {
    const to = Math.max(from, Math.min(cut, bytes.length));
    yield bytes.subarray(from, to);
    from = to;
  }
  yield bytes.subarray(from);
}

async function split(
  text: string,
  cuts: readonly number[] = [],
  max = 10_000,
): Promise<(string | undefined)[]> {
  const found: (string | undefined)[] = [];
  for await (const one of elements(chunked(Buffer.from(text), cuts), max)) {
    found.push(one === undefined ? undefined : Buffer.from(one).toString());
  }
  return found;
}

test("the elements are what JSON.parse finds, wherever the chunks end and however it is indented", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.jsonValue({ stringUnit: "binary" }), { maxLength: 8 }),
      fc.constantFrom(0, 2),
      fc.array(fc.nat(500), { maxLength: 20 }),
      async (values, indent, cuts) => {
        const found = await split(JSON.stringify(values, null, indent), cuts);
        expect(found.map((one) => JSON.parse(one ?? "") as unknown)).toEqual(
          JSON.parse(JSON.stringify(values)),
        );
      },
    ),
    { numRuns: 300 },
  );
});

test("an element that is too long costs itself and not its neighbours", async () => {
  const text = JSON.stringify([{ a: 1 }, "x".repeat(500), [2]]);
  for (const cuts of [[], [5, 50, 100, 400], [9, 510, 511, 512]]) {
    expect(await split(text, cuts, 100)).toEqual(['{"a":1}', undefined, "[2]"]);
  }
});

test.each([
  ["[]", []],
  [" [ \n ] \r\n", []],
  ["[1]\n", ["1"]],
  // Not JSON, but a list: who parses the elements will say so.
  ["[1,,2]", ["1", "", "2"]],
  ["[1,]", ["1"]],
])("%j is a list", async (text, expected) => {
  expect(await split(text)).toEqual(expected);
});

test.each([
  "",
  "null",
  "{}",
  '"[]"',
  "<html>[]</html>",
  "[",
  "[1",
  '["]',
  "[[1]",
  "[1] x",
  "[1][2]",
])("%j is none", async (text) => {
  await expect(split(text)).rejects.toThrow(NotAList);
});
