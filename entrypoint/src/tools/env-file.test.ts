// The rules of `docker run --env-file`. test/send.test.ts holds them against Docker itself.

import { expect, test } from "vitest";
import { parseEnvFile } from "./env-file.ts";

function read(
  text: string | Uint8Array,
  own: Record<string, string> = {},
): Record<string, string> | readonly string[] {
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  const file = parseEnvFile(bytes, own);
  return "faults" in file
    ? file.faults
    : Object.fromEntries(
        [...file.pairs].map(([name, value]) => [name, value.expose()]),
      );
}

test.each<[string, string, Record<string, string>]>([
  ["a pair", "A=1", { A: "1" }],
  ["quotes, spaces and # within a value", `A="b" c # d `, { A: `"b" c # d ` }],
  ["what looks like a variable", "A=$B ${C}", { A: "$B ${C}" }],
  ["an empty value", "A=", { A: "" }],
  ["more than one =", "A=b=c", { A: "b=c" }],
  ["comments and empty lines", "# x\n\n  \t\n  # A=1\nB=2", { B: "2" }],
  ["space before a name", " \tA=1", { A: "1" }],
  ["lines of Windows", "A=1\r\nB=2\r\n", { A: "1", B: "2" }],
  ["a byte order mark", "\ufeffA=1", { A: "1" }],
  ["the last of two lines", "A=1\nA=2", { A: "2" }],
  ["a name alone, from this environment", "OWN\nGONE", { OWN: "mine" }],
  [
    "names that POSIX does not know",
    "spring.url=x\nmy-var=y",
    { "spring.url": "x", "my-var": "y" },
  ],
  ["no line at all", "", {}],
])("%s", (_name, text, expected) => {
  expect(read(text, { OWN: "mine" })).toEqual(expected);
});

test.each<[string, string | Uint8Array, RegExp]>([
  ["export", "A=1\nexport B=secret", /^line 2 has no name/],
  ["spaces around =", "A = secret", /^line 1 has no name/],
  ["prose", "this is secret", /^line 1 has no name/],
  ["no name", "=secret", /^line 1 has no name/],
  ["NUL", "A=secret\0more", /^line 1 holds a NUL/],
  ["a setting of the entrypoint", "WIS_HMAC_KEY=secret", /names WIS_HMAC_KEY/],
  ["what is not UTF-8", Buffer.from([0x41, 0x3d, 0xff]), /not UTF-8/],
])("%s is a fault, and no value is repeated", (_name, text, fault) => {
  const faults = read(text);
  expect(faults).toEqual([expect.stringMatching(fault)]);
  expect(JSON.stringify(faults)).not.toContain("secret");
});

test("all faults are told at once", () => {
  expect(read("A B=1\nC=2\n=3")).toHaveLength(2);
});
