// The tools' parsers against whatever can be thrown at them.

import fc from "fast-check";
import { expect, test } from "vitest";
import { parseEnvFile } from "./env-file.ts";
import { parsePlace } from "./settings.ts";

test("any file is pairs, or faults by their lines", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const read = parseEnvFile(bytes, {});
      return "pairs" in read || read.faults.length > 0;
    }),
  );
});

test("an address is read as it was written, and nothing else is one", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), (text) => {
      const place = parsePlace(text);
      return place === undefined || text.toLowerCase().includes("https:");
    }),
  );
  fc.assert(
    fc.property(
      fc.ipV4(),
      fc.integer({ min: 1, max: 65_535 }),
      (host, port) => {
        expect(parsePlace(`https://${host}:${port}`)).toEqual({ host, port });
      },
    ),
  );
});
