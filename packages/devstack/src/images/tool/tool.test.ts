// The one-shot jobs of docker-compose.yml: keys that stay the same, and files filled in from the environment.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deriveFamilyKey, parseKey } from "@vaultbuddy/common";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createKeys } from "./keys.ts";
import { filledIn } from "./run-task.ts";

describe("keys", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "vaultbuddy-keys-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const lines: string[] = [];
  const create = (...args: string[]): Promise<void> =>
    createKeys(args, {
      env: {},
      print: (line) => lines.push(line),
      stopped: Promise.resolve(),
    });
  const text = (name: string): string =>
    readFileSync(join(folder, name), "utf8");

  test("are made once, derived for each family, and never printed", async () => {
    await create(folder, "web");
    const master = text("hmac-master");
    await create(folder, "web", "batch");
    expect(text("hmac-master")).toBe(master);
    expect(readdirSync(folder).toSorted()).toEqual([
      "batch.key",
      "hmac-master",
      "web.key",
    ]);
    expect(text("web.key")).toBe(
      deriveFamilyKey(parseKey(master), "123456789012", "web")
        .key.expose()
        .toString("base64url"),
    );
    expect(lines.join()).not.toContain(master);
    expect(lines.join()).not.toContain(text("web.key"));
  });

  test("need a directory", () => {
    expect(() => create()).toThrow("usage");
  });
});

describe("a file", () => {
  test("is filled in, as JSON needs it", () => {
    expect(
      JSON.parse(filledIn('{"image":"${IMAGE}"}', { IMAGE: 'a"b\\c' })),
    ).toEqual({ image: 'a"b\\c' });
  });

  test("is not used with a variable missing", () => {
    expect(() => filledIn("${IMAGE}", {})).toThrow(
      "the variable IMAGE is not set",
    );
  });
});
