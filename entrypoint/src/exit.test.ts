import { deliveryCodes } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { describeEnd, exits, Failure, systemCode } from "./exit.ts";

test("every kind of failure has a code of its own, between 220 and 239 or the shell's 126 and 127", () => {
  const codes = Object.values(exits).map(({ code }) => code);
  expect(new Set(codes).size).toBe(codes.length);
  expect(
    codes.every(
      (code) => code === 126 || code === 127 || (code >= 220 && code <= 239),
    ),
  ).toBe(true);
});

test("every refused delivery has an exit code", () => {
  for (const code of Object.keys(deliveryCodes)) {
    expect(exits).toHaveProperty(code);
  }
});

test("a failure is one line that says what happened and what to do", () => {
  const { line, code } = describeEnd(new Failure("timeout", "nothing came"));
  expect(code).toBe(224);
  expect(line).toBe(`nothing came: ${exits.timeout.advice} (exit 224)`);
  for (const { advice } of Object.values(exits)) {
    expect(advice).not.toMatch(/[\n]|\.$/);
  }
});

test("what was not foreseen is told by its type or the system's code, never by its message", () => {
  const marked = Object.assign(new TypeError("a secret"), {
    code: "quotes a secret",
  });
  expect(describeEnd(marked)).toMatchObject({ code: 239 });
  expect(describeEnd(marked).line).toContain("unexpected TypeError");
  expect(describeEnd(marked).line).not.toContain("secret");
  expect(describeEnd("a secret").line).not.toContain("secret");
  expect(
    systemCode(Object.assign(new Error("x"), { code: "ECONNRESET" })),
  ).toBe("ECONNRESET");
});
