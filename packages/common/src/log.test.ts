// What a line shows, and that a field named like a secret is not part of it.

import { expect, test } from "vitest";
import { openLog } from "./log.ts";
import { Secret } from "./secret.ts";

function line(fields: Record<string, unknown>): Record<string, unknown> {
  let written = "";
  const log = openLog("test", "info", { write: (text) => (written = text) });
  log.info(fields, "said");
  const { time: _time, ...rest } = JSON.parse(written) as Record<
    string,
    unknown
  >;
  return rest;
}

const FRAME = { level: "info", name: "test", msg: "said" };

test("fields are written as they are", () => {
  const fields = { a: 1, b: { c: ["d", { e: null }] } };
  expect(line(fields)).toEqual({ ...FRAME, ...fields });
});

test("fields named like a secret are hidden to three levels, in lists too, and the caller's objects are left alone", () => {
  const fields = {
    token: "s.1",
    a: { password: { deep: "s.2" }, b: { psk: "s.3", c: 1 } },
    list: [{ client_token: "s.4", d: 2 }],
  };
  expect(line(fields)).toEqual({
    ...FRAME,
    token: "[secret]",
    a: { password: "[secret]", b: { psk: "[secret]", c: 1 } },
    list: [{ client_token: "[secret]", d: 2 }],
  });
  expect(fields.a.b.psk).toBe("s.3");
  expect(fields.list[0]?.client_token).toBe("s.4");
});

test("a Secret is hidden wherever it stands and whatever its name", () => {
  const value = new Secret("s.5");
  expect(line({ value, a: { b: { c: { d: value } } } })).toEqual({
    ...FRAME,
    value: "[secret]",
    a: { b: { c: { d: "[secret]" } } },
  });
});

test("an error is described without its message", () => {
  const err = Object.assign(new Error("s.6"), { code: "ECONNRESET" });
  expect(line({ err })).toMatchObject({
    err: { type: "Error", code: "ECONNRESET" },
  });
  expect(JSON.stringify(line({ err }))).not.toContain("s.6");
});
