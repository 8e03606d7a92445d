// The page about keys is true: its commands run as they stand there, one after the other, and leave what it says.

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  deriveFamilyKey,
  parseKey,
  parsePublicKey,
  parseSigningKey,
  verifyingKey,
} from "@vaultbuddy/common";
import { afterAll, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "vaultbuddy-documented-"));
afterAll(() => rmSync(folder, { recursive: true }));

const main = fileURLToPath(new URL("../broker/src/main.ts", import.meta.url));
const page = readFileSync(new URL("../docs/keys.md", import.meta.url), "utf8");
const blocks = [...page.matchAll(/^( *)```sh\n(.*?)^ *```$/gms)].map(
  ([, , block = ""]) => block,
);
const text = (name: string): string => readFileSync(join(folder, name), "utf8");

/** A command of the page that is not ours: it remembers how it was called. */
function stub(name: string): void {
  write(name, `printf '%s\\n' "${name} $*" >> "${folder}/called"`);
}

function write(name: string, script: string): void {
  const path = join(folder, "bin", name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

test("every command of the page about keys does what it is said to do", () => {
  mkdirSync(join(folder, "bin"));
  write("vaultbuddy-broker", `exec "${process.execPath}" "${main}" "$@"`);
  stub("aws");
  stub("docker");
  for (const [at, block] of blocks.entries()) {
    const { status, stderr } = spawnSync("sh", ["-euc", block], {
      cwd: folder,
      encoding: "utf8",
      env: { PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}` },
    });
    expect(status, `block ${at + 1}: ${stderr}`).toBe(0);
    // While the rotation goes on both are active, and what containers get is of the new one.
    if (block.includes("new.key >> master.key")) {
      expect(text("master.key").trim().split("\n")).toHaveLength(2);
    }
  }
  expect(blocks).toHaveLength(6);

  const master = parseKey(text("master.key"));
  const { key } = deriveFamilyKey(master, "123456789012", "web");
  expect(JSON.parse(text("new-keys/web.put-secret-value.json"))).toEqual({
    SecretId: "web-wis-key",
    SecretString: key.expose().toString("base64url"),
  });
  expect(text("family-keys/batch.create-secret.json")).toContain(
    '"Name": "batch-wis-key"',
  );
  expect(verifyingKey(parsePublicKey(text("signing.pem.pub"))).kid).toBe(
    parseSigningKey(text("signing.pem")).kid,
  );
  expect(text("called").trim().split("\n")).toEqual([
    "docker kill --signal HUP broker",
    "aws secretsmanager put-secret-value --cli-input-json file://new-keys/web.put-secret-value.json",
    "docker kill --signal HUP broker",
  ]);
}, 60_000);
