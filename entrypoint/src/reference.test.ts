import { ShapeError } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { parseValue, parseWhole, sourceId } from "./reference.ts";
import type { Parts } from "./reference.ts";

const read = (path: string, key: string, version?: number) => ({
  kind: "key",
  key,
  source: {
    kind: "read",
    path,
    api: true,
    ...(version === undefined ? {} : { version }),
  },
});
const written = (path: string, key: string, parameters = "{}") => ({
  kind: "key",
  key,
  source: { kind: "write", path, parameters },
});

test.each<[string, unknown]>([
  ["vault:secret/db#password", [read("secret/db", "password")]],
  ["vault:secret/db#password#3", [read("secret/db", "password", 3)]],
  ["vault:secret/data/db#tls.crt", [read("secret/data/db", "tls.crt")]],
  ["vault:secret/db#odd key}", [read("secret/db", "odd key}")]],
  ["vault:login", [{ kind: "token" }]],
  ["vault:login#user", [read("login", "user")]],
  [
    "vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w==",
    [
      {
        kind: "ciphertext",
        ciphertext:
          "vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w==",
      },
    ],
  ],
  ["vault:v1:team/db#key", [read("v1:team/db", "key")]],
  [
    ">>vault:pki/root/generate/internal#certificate",
    [written("pki/root/generate/internal", "certificate")],
  ],
  [
    '>>vault:pki/issue/web#certificate#{"ttl": 99999999999999999999, "common_name":"a#b}"}',
    [
      written(
        "pki/issue/web",
        "certificate",
        '{"common_name":"a#b}","ttl":99999999999999999999}',
      ),
    ],
  ],
])("%s is a reference", (value, parts) => {
  expect(parseValue(value)).toEqual(parts);
});

test("several references stand in one value, with text around them", () => {
  expect(
    parseValue(
      'x${vault:secret/db#user}:${vault:secret/db#pw#2}@${>>vault:pki/issue/a#key#{"cn":"}${"}}${vault:v1:YQ==}$$',
    ),
  ).toEqual([
    "x",
    read("secret/db", "user"),
    ":",
    read("secret/db", "pw", 2),
    "@",
    written("pki/issue/a", "key", '{"cn":"}${"}'),
    { kind: "ciphertext", ciphertext: "vault:v1:YQ==" },
    "$$",
  ]);
});

test("a dollar is doubled to mean itself before a reference, and only there", () => {
  const flat = (value: string) =>
    parseValue(value)?.map((part) =>
      typeof part === "string" ? part : "REFERENCE",
    );
  expect(flat("$${vault:a#b}")).toEqual(["${vault:a#b}"]);
  expect(flat("$$${vault:a#b}")).toEqual(["$", "REFERENCE"]);
  expect(flat("a$$$${>>vault:a#b}b")).toEqual(["a$${>>vault:a#b}b"]);
  expect(flat("$$ ${vault:a#b} $${x}")).toEqual(["$$ ", "REFERENCE", " $${x}"]);
});

test.each([
  "",
  "plain",
  "${HOME}/x",
  " vault:secret/db#password",
  "see vault:secret/db#password",
  "${ vault:secret/db#password}",
  "http://vault:8200",
])("%j stays as it is", (value) => {
  expect(parseValue(value)).toBeUndefined();
});

test.each<[string, RegExp]>([
  ["vault:", /must be text/],
  ["vault:8200", /must name a key/],
  ["vault:team/cache", /must name a key/],
  ["vault:secret/db#", /must be text/],
  ["vault:../sys#key", /must be a reference/],
  ["vault:secret/a b#key", /must be a reference/],
  ["vault:secret/db?version=2#key", /must be a reference/],
  ["vault:secret/db#key#", /version as a number/],
  ["vault:secret/db#key#0", /version as a number/],
  ["vault:secret/db#key#1#2", /close its reference/],
  ["vault:secret/db#${.a | b64dec}", /templates are not known/],
  [">>vault:pki/issue/web", /must name a key/],
  [">>vault:pki/issue/web#k#{", /must be JSON/],
  [">>vault:pki/issue/web#k#[]", /JSON object/],
  [">>vault:login", /must name a key/],
  ["x${vault:team/cache}", /must name a key/],
  ["x${vault:secret/db#key", /close its reference/],
  ["x${vault:secret/db", /close its reference/],
  ['x${>>vault:pki/issue/a#k#{"a":"}', /must be JSON/],
  ['x${>>vault:pki/issue/a#k#{"a":1}', /close its reference/],
])("%s is a fault, and no fault repeats it", (value, message) => {
  let said = "";
  try {
    parseValue(value);
  } catch (error) {
    said = String(error);
  }
  expect(said).toMatch(message);
  expect(said).not.toContain(value.replace(/^.*vault:/, "") || "\0");
});

test("equal questions are equal, whatever the order of their parameters", () => {
  const idOf = (value: string): string => {
    const [part] = parseValue(value) as Parts;
    return typeof part === "object" && part.kind === "key"
      ? sourceId(part.source)
      : "";
  };
  expect(idOf('>>vault:a/b#x#{"p":1,"q":{"r":2,"s":3}}')).toBe(
    idOf('>>vault:a/b#y#{ "q":{"s":3,"r":2}, "p":1 }'),
  );
  expect(idOf(">>vault:a/b#x")).not.toBe(idOf("vault:a/b#x"));
  expect(idOf('>>vault:a/b#x#{"p":12345678901234567890}')).not.toBe(
    idOf('>>vault:a/b#x#{"p":12345678901234567891}'),
  );
});

test("a whole secret may be named with its version", () => {
  expect(parseWhole("secret/web")).toEqual({
    kind: "read",
    path: "secret/web",
  });
  expect(parseWhole("secret/web#3")).toEqual({
    kind: "read",
    path: "secret/web",
    version: 3,
  });
  expect(() => parseWhole("secret/web#key")).toThrow(/version as a number/);
});

test("whatever is put together from the pieces of references is one, stays as it is, or is a fault", () => {
  const pieces = [
    ..."$ { } # a/b login v1:YQ== 7".split(" "),
    "vault:",
    ">>",
    '{"a":"}"}',
    "",
  ];
  let values = [""];
  for (let length = 0; length < 5; length += 1) {
    values = [
      ...new Set(
        values.flatMap((value) => pieces.map((piece) => value + piece)),
      ),
    ];
  }
  const counts = { parsed: 0, kept: 0, faulty: 0 };
  for (const value of values) {
    try {
      const parts = parseValue(value);
      if (parts === undefined) {
        counts.kept += 1;
        expect(value).not.toMatch(/^(?:>>)?vault:|\$\{(?:>>)?vault:/);
        continue;
      }
      counts.parsed += 1;
      // What is text in it stands in the value, in this order.
      const texts = parts.filter((part) => typeof part === "string");
      const plain = value.replaceAll("$$", "$");
      let at = 0;
      for (const text of texts) {
        const found = plain.indexOf(text.replaceAll("$$", "$"), at);
        expect(found, value).toBeGreaterThanOrEqual(0);
        at = found;
      }
    } catch (error) {
      counts.faulty += 1;
      expect(error).toBeInstanceOf(ShapeError);
    }
  }
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(100);
});
