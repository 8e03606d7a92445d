import { ShapeError } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { parseSecret } from "./values.ts";

const read = (
  json: string,
  versioned = false,
): Record<string, string | undefined> =>
  Object.fromEntries(
    [...parseSecret(Buffer.from(json), versioned).values].map(
      ([key, value]) => [key, value?.expose()],
    ),
  );

test("text stands as it is, everything else as JSON to the last digit, and null is no value", () => {
  expect(
    read(
      '{"data":{"a":"x y","b":5432,"c":12345678901234567890,"d":1.50,"e":true,"f":[1e3,{"k":0.10}],"g":null,"h":""}}',
    ),
  ).toEqual({
    a: "x y",
    b: "5432",
    c: "12345678901234567890",
    d: "1.50",
    e: "true",
    f: '[1e3,{"k":0.10}]',
    g: undefined,
    h: "",
  });
});

test("the second version of KV has its values one level down", () => {
  expect(
    read('{"data":{"data":{"a":"1"},"metadata":{"version":3}}}', true),
  ).toEqual({ a: "1" });
});

test("a key that JavaScript knows otherwise is a key like any other", () => {
  const { values, json } = parseSecret(
    Buffer.from('{"data":{"__proto__":"x","constructor":"y"}}'),
    false,
  );
  expect([...values.keys()]).toEqual(["__proto__", "constructor"]);
  expect(json.expose()).toBe('{"__proto__":"x","constructor":"y"}');
});

test.each([
  '{"data":[1]}',
  '{"data":null}',
  '{"data":"x"}',
  "{}",
  "null",
  "[]",
  '{"data":{',
  "<html>",
])("%s is refused without being quoted", (json) => {
  expect(() => read(json)).toThrow(ShapeError);
});
