// Several keys at once, exchanged whole or not at all, and never under a handoff's feet.

import {
  deriveFamilyKey,
  generateSigningKey,
  parseKey,
  privatePem,
} from "@vaultbuddy/common";
import type { SigningKey } from "@vaultbuddy/common";
import type { Log } from "@vaultbuddy/common/daemon";
import { expect, test } from "vitest";
import { KeyFault, KeyRing, readKeys } from "./keyring.ts";
import { silent } from "./testing.ts";

const master = (fill: number): string =>
  Buffer.alloc(32, fill).toString("base64url");
const kidOf = (fill: number): string =>
  deriveFamilyKey(parseKey(master(fill)), "123456789012", "web").kid;
const pairs: readonly SigningKey[] = [
  generateSigningKey(),
  generateSigningKey(),
  generateSigningKey(),
];
const pem = (...which: number[]): string =>
  pairs
    .filter((_, at) => which.includes(at))
    .map(privatePem)
    .join("");
const jwk = ({ privateKey }: SigningKey): string =>
  JSON.stringify(privateKey.export({ format: "jwk" }));

/** Reads from a table of texts. */
const from =
  (files: Readonly<Record<string, string>>) =>
  (path: string): string => {
    const text = files[path];
    if (text === undefined) {
      throw Object.assign(new Error("gone"), { code: "ENOENT" });
    }
    return text;
  };
const web = { account: "123456789012", family: "web" };
const hmac = { ...web, rule: { proof: "hmac" } } as const;
const ed25519 = { ...web, rule: { proof: "ed25519" } } as const;
const kids = (keys: readonly { kid: string }[]): string[] =>
  keys.map(({ kid }) => kid);

function ringOf(
  files: Readonly<Record<string, string>>,
  named = { masters: ["m"], pairs: ["p"] },
): KeyRing {
  return new KeyRing(readKeys(named, from(files)));
}

test("keys come from several files and from several lines or blocks of one, and none counts twice", () => {
  const files = {
    m1: `${master(1)}\n\n${master(2)}\r\n`,
    m2: ` ${master(2)}= `,
    p1: `${pem(0, 1)}\n`,
    p2: jwk(pairs[1] ?? generateSigningKey()),
    p3: pem(2),
  };
  const set = readKeys(
    { masters: ["m1", "m2"], pairs: ["p1", "p2", "p3"] },
    from(files),
  );
  const ring = new KeyRing(set);
  expect(kids(ring.for(hmac).active())).toEqual([kidOf(1), kidOf(2)]);
  expect(kids(ring.for(ed25519).active())).toEqual(kids(pairs));
  expect(ring.summary).toEqual({ masters: 2, pairs: kids(pairs) });
});

test("every faulty file is told by its name and never by what it holds", () => {
  const files = {
    short: "c2hvcnQ",
    half: `${master(1)}\nc2hvcnQ`,
    empty: "\n",
    public: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    mixed: `${pem(0)}${master(1)}`,
  };
  let fault: unknown;
  try {
    readKeys(
      {
        masters: ["short", "half", "empty", "none"],
        pairs: ["public", "mixed", "empty"],
      },
      from(files),
    );
  } catch (error) {
    fault = error;
  }
  expect(fault).toBeInstanceOf(KeyFault);
  const { faults } = fault as KeyFault;
  expect(faults.map((one) => one.slice(0, one.indexOf(":")))).toEqual([
    "short",
    "half",
    "empty",
    "none",
    "public",
    "mixed",
    "empty",
  ]);
  expect(faults[3]).toBe("none: cannot be read (ENOENT)");
  expect(faults.join()).not.toContain("c2hvcnQ");
  expect(faults.join()).not.toContain(master(1));
});

test("more keys of one kind than a delivery can be signed with are a fault", () => {
  const many = (count: number): string =>
    Array.from({ length: count }, (_, at) => master(at + 1)).join("\n");
  const files = { masters: ["m"], pairs: [] };
  expect(readKeys(files, from({ m: many(16) })).masters).toHaveLength(16);
  expect(() => readKeys(files, from({ m: many(17) }))).toThrow("at most 16");
});

test("a rule whose kind of key the broker lacks is denied", () => {
  const masters = ringOf({ m: master(1) }, { masters: ["m"], pairs: [] });
  expect(() => masters.for(ed25519)).toThrow("--signing-key-file");
  const signing = ringOf({ p: pem(0) }, { masters: [], pairs: ["p"] });
  expect(() => signing.for(hmac)).toThrow(
    expect.objectContaining({ code: "policy_denied" }),
  );
});

test("a handoff keeps the keys it began with and gains those that come while it lasts", () => {
  const ring = ringOf({ m: master(1), p: pem(0) });
  const began = { hmac: ring.for(hmac), ed25519: ring.for(ed25519) };
  const reload = (files: Readonly<Record<string, string>>): void =>
    ring.reload({ masters: ["m"], pairs: ["p"] }, from(files), silent);
  const [first, second] = kids(pairs);

  reload({ m: `${master(1)}\n${master(2)}`, p: pem(0, 1) });
  expect(kids(began.hmac.active())).toEqual([kidOf(1), kidOf(2)]);
  expect(kids(began.ed25519.active())).toEqual([first, second]);

  reload({ m: master(2), p: pem(1) });
  expect(kids(began.hmac.active())).toEqual([kidOf(2), kidOf(1)]);
  expect(kids(began.ed25519.active())).toEqual([second, first]);
  // What begins now knows nothing of the old ones.
  expect(kids(ring.for(hmac).active())).toEqual([kidOf(2)]);
  expect(kids(ring.for(ed25519).active())).toEqual([second]);
});

test("a faulty file leaves every key in force, is told, and shows nothing", () => {
  const lines: unknown[] = [];
  const tell = (fields: unknown, message: unknown): void => {
    lines.push(message, fields);
  };
  const log = { ...silent, info: tell, error: tell } as unknown as Log;
  const ring = ringOf({ m: master(1), p: pem(0) });
  const files = { masters: ["m"], pairs: ["p"] };
  for (const broken of [
    { m: master(2), p: "nonsense" },
    { m: `${master(2)} `.repeat(2), p: pem(1) },
    { m: master(2) },
    { m: "", p: pem(1) },
  ]) {
    ring.reload(files, from(broken), log);
    expect(kids(ring.for(hmac).active())).toEqual([kidOf(1)]);
    expect(kids(ring.for(ed25519).active())).toEqual([pairs[0]?.kid]);
  }
  expect(
    lines.filter((one) => /those before stay in force/.test(String(one))),
  ).toHaveLength(4);
  ring.reload(files, from({ m: master(2), p: pem(1) }), log);
  expect(lines.at(-2)).toBe("the keys were read again");
  expect(lines.at(-1)).toEqual({ masters: 1, pairs: [pairs[1]?.kid] });
  const told = JSON.stringify(lines, (_name, value: unknown) =>
    value instanceof Error ? `${value.message} ${value.stack}` : value,
  );
  expect(told).not.toContain(master(2));
  expect(told).not.toContain("nonsense");
});
