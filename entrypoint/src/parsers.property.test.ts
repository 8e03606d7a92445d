// Every parser of the entrypoint against whatever can be thrown at it: it gives what was written, or fails in its own
// words, without what it was given.

import { ShapeError } from "@vaultbuddy/common";
import fc from "fast-check";
import { expect, test } from "vitest";
import { contentOf } from "./answer.ts";
import { parseEnviron } from "./environ.ts";
import { Failure } from "./exit.ts";
import { parseValue, parseWhole } from "./reference.ts";
import { readValues, settings } from "./settings.ts";
import { canonical, parseExact, parseSecret } from "./values.ts";

const anyText = fc.oneof(
  fc.string({ maxLength: 200, unit: "binary" }),
  fc
    .array(
      fc.constantFrom(
        "$",
        "{",
        "}",
        "vault:",
        ">>vault:",
        "secret/db",
        "#",
        "key",
        "3",
        "v1:",
        "ab=",
        "/",
        "..",
        '{"a":1}',
        "=",
      ),
      { maxLength: 14 },
    )
    .map((parts) => parts.join("")),
);
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.json({ maxDepth: 4 }).map((text) => new TextEncoder().encode(text)),
);

/** Whether `work` returns, or fails with one of these kinds. */
function tame(
  work: () => unknown,
  ...kinds: (new (...given: never[]) => Error)[]
): boolean {
  try {
    work();
    return true;
  } catch (error) {
    return kinds.some((kind) => error instanceof kind);
  }
}

test("an environment is read to what it was, or refused", () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => tame(() => parseEnviron(bytes), Failure)),
  );
  const entries = fc.dictionary(
    fc.stringMatching(/^[A-Za-z_]\w{0,20}$/),
    fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0")),
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(entries, (env) => {
      const block = Object.entries(env).map(
        ([name, value]) => `${name}=${value}\0`,
      );
      expect(parseEnviron(Buffer.from(block.join("")))).toEqual(
        new Map(Object.entries(env)),
      );
    }),
  );
});

test("any value is text, references, or a fault that quotes nothing", () => {
  fc.assert(
    fc.property(anyText, (value) =>
      tame(() => [parseValue(value)], ShapeError),
    ),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(anyText, (value) => tame(() => parseWhole(value), ShapeError)),
  );
});

test("text around references stays as it was, and a doubled dollar is one", () => {
  const plain = fc
    .stringMatching(/^[a-z:/@. -]{0,12}$/)
    .filter((text) => !text.startsWith("vault:"));
  fc.assert(
    fc.property(fc.array(plain, { minLength: 2, maxLength: 5 }), (texts) => {
      const parts = parseValue(texts.join("${vault:secret/db#key}")) ?? [];
      expect(parts.filter((part) => typeof part === "string").join("|")).toBe(
        texts.filter((text) => text !== "").join("|"),
      );
      expect(parts.filter((part) => typeof part !== "string")).toHaveLength(
        texts.length - 1,
      );
    }),
  );
  expect(parseValue("$${vault:secret/db#key}")).toEqual([
    "${vault:secret/db#key}",
  ]);
});

test("an answer of Vault is read, or is of a wrong shape", () => {
  fc.assert(
    fc.property(anyBytes, fc.boolean(), (bytes, versioned) =>
      tame(() => parseSecret(bytes, versioned), ShapeError),
    ),
  );
  fc.assert(
    fc.property(
      anyBytes,
      fc.integer({ min: 100, max: 599 }),
      fc.boolean(),
      (bytes, status, versioned) =>
        tame(
          () =>
            contentOf(
              { status, body: Buffer.from(bytes) } as Parameters<
                typeof contentOf
              >[0],
              versioned,
            ),
          ShapeError,
        ),
    ),
  );
});

test("JSON means the same after it was read, whatever the order of its names", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      expect(JSON.parse(canonical(parseExact(text)))).toEqual(JSON.parse(text));
    }),
  );
});

test("no setting's value is repeated in its fault", () => {
  const names = Object.values(settings).map(({ env }) => env);
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.string({ minLength: 12, maxLength: 60 }),
      (name, value) => {
        const faults: string[] = [];
        readValues(new Map([[name, value]]), faults);
        return faults.every((fault) => !fault.includes(value));
      },
    ),
  );
});
