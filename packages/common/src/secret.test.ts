// A secret must not show, however it is printed.

import { inspect } from "node:util";
import { expect, test } from "vitest";
import { describeError, openLog } from "./log.ts";
import { sameBytes, Secret, SecretBytes } from "./secret.ts";

const VALUE = "hvs.marked-secret";
const secrets = {
  text: new Secret(VALUE),
  bytes: new SecretBytes(Buffer.from(VALUE)),
};

test("no way of printing shows a secret", () => {
  const shown = [
    String(secrets.text),
    `${secrets.text.toString()} ${secrets.bytes.toString()}`,
    JSON.stringify({ deep: [secrets] }),
    inspect(secrets, { depth: 9, showHidden: true }),
    Object.values(secrets.text).join(),
    inspect(new Error("x", { cause: secrets })),
  ].join("\n");
  expect(shown).not.toContain("marked");
  expect(shown).not.toContain(Buffer.from(VALUE).toString("hex"));
  expect(shown).toContain("[secret]");
});

test("a log line shows neither a secret nor a field named like one", () => {
  const lines: string[] = [];
  const log = openLog("t", "trace", { write: (line) => lines.push(line) });
  log.info(
    { a: { b: { token: VALUE } }, secrets, password: VALUE },
    "constant",
  );
  log.error(
    {
      err: Object.assign(new Error(`request with ${VALUE} failed`), {
        code: "EPIPE",
      }),
    },
    "x",
  );
  log.error({ err: new Error("outer", { cause: new Error(VALUE) }) }, "y");
  expect(lines).toHaveLength(3);
  expect(lines.join("")).not.toContain("marked");
  expect(lines[1]).toContain("EPIPE");
});

test("only an error of ours keeps its message", () => {
  const ours = Object.assign(new Error("plain words"), { ours: true });
  expect(describeError(ours)).toMatchObject({ message: "plain words" });
  const foreign = describeError(
    new Error("marked\n    at marked (marked.ts:1:1)"),
  );
  expect(foreign).toMatchObject({
    type: "Error",
    at: expect.arrayContaining([
      expect.stringContaining("secret.test.ts"),
    ]) as unknown,
  });
  expect(JSON.stringify(foreign)).not.toContain("marked");
  expect(describeError("text")).toEqual({ type: "string" });
});

test("equality compares whole values", () => {
  expect(secrets.text.equals(VALUE)).toBe(true);
  expect(secrets.text.equals(`${VALUE}x`)).toBe(false);
  expect(sameBytes(Buffer.from("a"), Buffer.from("ab"))).toBe(false);
});
