// Every parser against whatever can be thrown at it: it gives a value that means what was written, or a ShapeError, and
// nothing in between.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deriveFamilyKey, parseKey } from "../keys.ts";
import { parseJson, ShapeError } from "../parse.ts";
import { SecretBytes } from "../secret.ts";
import {
  boolean,
  duration,
  httpUrl,
  listenAddress,
  listOf,
  plainText,
  wholeNumber,
  word,
} from "../values.ts";
import {
  parseDelivered,
  parseDeliveryProblem,
  parseNoticeProblem,
  parseReceipt,
} from "./answer.ts";
import {
  normaliseVaultAddr,
  parseDelivery,
  writeDelivery,
} from "./delivery.ts";
import { parseClusterArn, parseTaskArn } from "./ecs.ts";
import { signJws, verifyJws } from "./jws.ts";
import { parseNotice } from "./notice.ts";
import { parsePlainDelivery, parsePlainReceipt } from "./plain.ts";

const key = deriveFamilyKey(
  new SecretBytes(Buffer.alloc(32, 7)),
  "123456789012",
  "web",
);

/** Whether `work` returns or throws one of `kinds`. */
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

const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc.json({ maxDepth: 4 }).map((text) => Buffer.from(text)),
  fc
    .string({ maxLength: 100, unit: "binary" })
    .map((text) => Buffer.from(text)),
);

describe("whatever bytes come", () => {
  test.each<[string, (bytes: Buffer) => unknown]>([
    ["a notice", parseNotice],
    ["a delivery", parseDelivery],
    ["plain pairs", parsePlainDelivery],
    ["the receipt of plain pairs", parsePlainReceipt],
    ["a signature", (bytes) => verifyJws(bytes, key)],
    ["a receipt", parseReceipt],
    ["an outcome", parseDelivered],
    ["JSON", (bytes) => parseJson(bytes, 1000)],
  ])("%s is read or refused with a ShapeError", (_name, parse) => {
    fc.assert(
      fc.property(anyBytes, (bytes) => tame(() => parse(bytes), ShapeError)),
    );
  });

  test("a problem is read or is none", () => {
    fc.assert(
      fc.property(anyBytes, (bytes) =>
        tame(() => [parseNoticeProblem(bytes), parseDeliveryProblem(bytes)]),
      ),
    );
  });
});

describe("a delivery", () => {
  const hash = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((bytes) => Buffer.from(bytes).toString("base64url"));
  const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/);
  const path = fc
    .array(fc.stringMatching(/^[a-z0-9_-]{1,12}$/), {
      minLength: 1,
      maxLength: 4,
    })
    .map((parts) => parts.join("/"));
  const written = fc.record({
    v: fc.constant(1),
    iss: fc.constant("vaultbuddy"),
    jti: fc.stringMatching(/^[\w-]{8,64}$/),
    iat: fc.constant(1000),
    exp: fc.integer({ min: 1001, max: 1060 }),
    aud: fc.record({
      taskArn: fc
        .tuple(name, fc.stringMatching(/^[0-9a-f]{32}$/))
        .map(
          ([cluster, id]) =>
            `arn:aws:ecs:eu-west-1:123456789012:task/${cluster}/${id}`,
        ),
      containerName: name,
      containerId: fc.stringMatching(/^[0-9a-f]{64}$/),
    }),
    vault: fc.record({
      addr: fc.constantFrom("https://vault:8200", "http://10.0.0.1"),
    }),
    wrap: fc.oneof(
      fc.record({
        kind: fc.constant("token"),
        token: fc.stringMatching(/^[A-Za-z0-9.]{1,100}$/),
        accessorHash: hash,
        creationPath: path,
        ttl: fc.integer({ min: 1, max: 3600 }),
        tokenTtl: fc.integer({ min: 1, max: 2 ** 31 }),
      }),
      fc.record({
        kind: fc.constant("secret_id"),
        token: fc.stringMatching(/^[A-Za-z0-9.]{1,100}$/),
        creationPath: path,
        ttl: fc.integer({ min: 1, max: 3600 }),
      }),
    ),
    secrets: fc.record({
      paths: fc.array(path, { maxLength: 5 }),
      env: fc.dictionary(
        fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,20}$/),
        fc.tuple(path, name).map(([at, field]) => `${at}#${field}`),
        { maxKeys: 5, noNullPrototype: true },
      ),
    }),
  });

  test("is the same after it was written, signed, verified and read", () => {
    fc.assert(
      fc.property(written, (body) => {
        const read = parseDelivery(Buffer.from(JSON.stringify(body)));
        const back = verifyJws(signJws(writeDelivery(read), [key]), key);
        expect(JSON.parse(String(back))).toEqual(
          JSON.parse(JSON.stringify(body)),
        );
      }),
      { numRuns: 60 },
    );
  });

  test("with any one field taken away, or one more, is refused", () => {
    const places: (readonly string[])[] = [
      [],
      ["aud"],
      ["vault"],
      ["wrap"],
      ["secrets"],
    ];
    fc.assert(
      fc.property(
        written,
        fc.constantFrom(...places),
        fc.nat(20),
        fc.boolean(),
        (body, place, which, more) => {
          const copy = structuredClone(body) as Record<string, unknown>;
          const at = place.reduce(
            (value, part) => value[part] as Record<string, unknown>,
            copy,
          );
          const names = Object.keys(at);
          if (more) {
            at["unknown"] = 1;
          } else {
            delete at[names[which % names.length] ?? ""];
          }
          expect(() =>
            parseDelivery(Buffer.from(JSON.stringify(copy))),
          ).toThrow(ShapeError);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("with any byte of the signed form changed gives nothing, or the same payload", () => {
    fc.assert(
      fc.property(
        written,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (body, where, by) => {
          const payload = writeDelivery(
            parseDelivery(Buffer.from(JSON.stringify(body))),
          );
          const signed = signJws(payload, [key]);
          const at = where % signed.length;
          signed[at] = ((signed[at] ?? 0) + by) % 256;
          try {
            const read = verifyJws(signed, key);
            return read === undefined || read.equals(payload);
          } catch (error) {
            return error instanceof ShapeError;
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("names and settings", () => {
  test("an ARN is taken apart into what it was, or refused", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const parse of [parseTaskArn, parseClusterArn]) {
          try {
            expect(parse(text).arn).toBe(text);
          } catch (error) {
            expect(error).toBeInstanceOf(ShapeError);
          }
        }
      }),
    );
  });

  test("an address of Vault is in its one form after one time", () => {
    fc.assert(
      fc.property(
        fc.webUrl({ withFragments: false, withQueryParameters: false }),
        (url) => {
          const once = normaliseVaultAddr(url);
          return normaliseVaultAddr(once) === once && httpUrl(once) === once;
        },
      ),
    );
  });

  test("a duration is what it says", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999 }), (count) => {
        expect(duration(`${count}ms`)).toBe(count);
        expect(duration(`${count}s`)).toBe(count * 1000);
        expect(duration(`${count}m`)).toBe(count * 60_000);
      }),
    );
  });

  test.each<[string, (text: string) => unknown]>([
    ["duration", duration],
    ["boolean", boolean],
    ["listen address", listenAddress],
    ["URL", httpUrl],
    ["number", wholeNumber(0, 10)],
    ["word", word(["a", "b"])],
    ["list", listOf(plainText)],
    ["key", parseKey],
  ])(
    "any text is a %s or is refused without being repeated",
    (_name, parse) => {
      fc.assert(
        fc.property(fc.string({ minLength: 12, maxLength: 80 }), (text) => {
          try {
            parse(text);
            return true;
          } catch (error) {
            return error instanceof Error && !error.message.includes(text);
          }
        }),
      );
    },
  );
});
