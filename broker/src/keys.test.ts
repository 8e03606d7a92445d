// What `keys` makes is what both sides work with; it goes where it was told to, for its owner only, and nowhere else.

import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  deriveFamilyKey,
  generateSigningKey,
  parseKey,
  parsePublicKey,
  parseSigningKey,
  privatePem,
  verifyingKey,
} from "@vaultbuddy/common";
import { addSettings } from "@vaultbuddy/common/daemon";
import { Command } from "commander";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { keysSettings, runDerive, runGenerate, runPublic } from "./keys.ts";
import { deriveSettings } from "./settings/keys.ts";

let folder: string;
let printed: string[];
let noted: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vaultbuddy-keys-"));
  printed = [];
  noted = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const runs = { generate: runGenerate, public: runPublic, derive: runDerive };
const at = (name: string): string => join(folder, name);
const text = (name: string): string => readFileSync(at(name), "utf8");
const mode = (name: string): string =>
  (statSync(at(name)).mode & 0o777).toString(8);

function keys(
  name: keyof typeof runs,
  args: readonly string[],
  env: Record<string, string> = {},
): void {
  const command = new Command(name);
  addSettings(command, keysSettings[name]);
  command.parse([...args], { from: "user" });
  runs[name](command, {
    env,
    read: (path) => readFileSync(path, "utf8"),
    print: (line) => printed.push(line),
    note: (line) => noted.push(line),
    randomBytes,
  });
}

describe("generate", () => {
  test("prints a master and nothing else, never the same twice", () => {
    keys("generate", []);
    keys("generate", []);
    const [first = "", second] = printed;
    expect(parseKey(first).expose()).toHaveLength(32);
    expect(second).not.toBe(first);
    expect(noted).toEqual([]);
  });

  test("writes a master for its owner only, and not over another", () => {
    const out = at("deep/er/master.key");
    keys("generate", ["--out", out]);
    const written = text("deep/er/master.key");
    expect(parseKey(written).expose()).toHaveLength(32);
    expect([mode("deep/er/master.key"), mode("deep")]).toEqual(["600", "700"]);
    expect(() => keys("generate", ["--out", out])).toThrow(
      "exists, and nothing was written; --force replaces it",
    );
    expect(text("deep/er/master.key")).toBe(written);
    keys("generate", ["--out", out, "--force"]);
    expect(text("deep/er/master.key")).not.toBe(written);
    expect(mode("deep/er/master.key")).toBe("600");
    expect(printed).toEqual([]);
    expect(noted.join()).not.toContain(written.trim());
  });

  test("writes a pair whose halves belong together, or none of it", () => {
    const out = at("signing.pem");
    keys("generate", ["--ed25519", "--out", out]);
    const pair = parseSigningKey(text("signing.pem"));
    const half = text("signing.pem.pub");
    expect(verifyingKey(parsePublicKey(half)).kid).toBe(pair.kid);
    expect([mode("signing.pem"), mode("signing.pem.pub")]).toEqual([
      "600",
      "644",
    ]);
    expect(noted.join()).toContain(pair.kid);
    rmSync(out);
    expect(() => keys("generate", ["--ed25519", "--out", out])).toThrow(
      "signing.pem.pub: exists, and nothing was written",
    );
    expect(existsSync(out)).toBe(false);
  });

  test("a link in the way is neither followed nor overwritten by mistake", () => {
    writeFileSync(at("precious"), "precious");
    symlinkSync(at("precious"), at("link"));
    symlinkSync(at("nowhere"), at("dangling"));
    for (const name of ["link", "dangling"]) {
      expect(() => keys("generate", ["--out", at(name)])).toThrow("exists");
    }
    keys("generate", ["--out", at("link"), "--force"]);
    expect(text("precious")).toBe("precious");
    expect(parseKey(text("link")).expose()).toHaveLength(32);
  });

  test("a place that cannot be written to is told by its path and the system's code", () => {
    writeFileSync(at("file"), "");
    expect(() => keys("generate", ["--out", at("file/key")])).toThrow(
      /file\/key: cannot be written \(E[A-Z]+\)/,
    );
  });
});

describe("public", () => {
  test("prints the public half of each pair of a file, in either form", () => {
    const pairs = [generateSigningKey(), generateSigningKey()];
    writeFileSync(at("signing.pem"), pairs.map(privatePem).join(""));
    keys("public", ["--signing-key-file", at("signing.pem")]);
    keys("public", ["--form", "pem"], { SIGNING_KEY_FILE: at("signing.pem") });
    expect(printed.map((one) => verifyingKey(parsePublicKey(one)).kid)).toEqual(
      [...pairs, ...pairs].map(({ kid }) => kid),
    );
    expect(printed.join()).not.toMatch(/PRIVATE|"d"/);
  });

  test("a file that holds no pair is told and not shown", () => {
    writeFileSync(at("master.key"), Buffer.alloc(32, 1).toString("base64url"));
    expect(() =>
      keys("public", ["--signing-key-file", at("master.key")]),
    ).toThrow(/master\.key: must be an Ed25519 private key/);
    expect(() => keys("public", ["--signing-key-file", at("none")])).toThrow(
      "cannot be read (ENOENT)",
    );
  });
});

describe("derive", () => {
  const master = Buffer.alloc(32, 1).toString("base64url");
  const derived = (family: string): { key: string; kid: string } => {
    const made = deriveFamilyKey(parseKey(master), "123456789012", family);
    return { key: made.key.expose().toString("base64url"), kid: made.kid };
  };
  const derive = (...args: string[]): void => {
    writeFileSync(at("master.key"), `${master}\n`);
    keys("derive", [
      "--hmac-key-file",
      at("master.key"),
      "--account",
      "123456789012",
      ...args,
    ]);
  };
  const out = (): string => at("out");

  test("prints one key alone, and several with their families", () => {
    derive("--family", "web");
    derive("--family", "web, batch,web");
    expect(printed).toEqual([
      derived("web").key,
      `web ${derived("web").key}`,
      `batch ${derived("batch").key}`,
    ]);
  });

  test("for a host: a file for each family, that its owner only may read", () => {
    derive("--family", "web,batch", "--form", "host", "--out", out());
    expect(readdirSync(out()).toSorted()).toEqual(["batch.key", "web.key"]);
    expect(text("out/web.key")).toBe(`${derived("web").key}\n`);
    expect([mode("out"), mode("out/web.key")]).toEqual(["700", "400"]);
    expect(printed).toEqual([]);
    expect(noted).toContain(`web: key ${derived("web").kid}`);
  });

  test("for ECS: what the AWS CLI takes to make a secret and to exchange its value", () => {
    derive("--family", "web", "--form", "ecs", "--out", out());
    const { key, kid } = derived("web");
    expect(JSON.parse(text("out/web.create-secret.json"))).toEqual({
      Name: "web-wis-key",
      Description: expect.stringContaining("family web in account 1234"),
      SecretString: key,
      Tags: [{ Key: "vaultbuddy-kid", Value: kid }],
    });
    expect(JSON.parse(text("out/web.put-secret-value.json"))).toEqual({
      SecretId: "web-wis-key",
      SecretString: key,
    });
    expect(mode("out/web.create-secret.json")).toBe("600");
    expect(noted.join("\n")).toContain("aws secretsmanager create-secret");
  });

  const compose = spawnSync("docker-compose", ["version"]).status === 0;
  test.skipIf(!compose)(
    "for Compose: a file that Compose accepts beside another, and the secrets it names",
    () => {
      derive("--family", "web,1e3", "--form", "compose", "--out", out());
      writeFileSync(
        at("docker-compose.yml"),
        "services:\n  web: { image: scratch }\n  '1e3': { image: scratch }\n",
      );
      const { stdout, stderr } = spawnSync(
        "docker-compose",
        `-f ${at("docker-compose.yml")} -f ${at("out/compose.keys.yml")} config`.split(
          " ",
        ),
        { encoding: "utf8" },
      );
      expect(stdout, stderr).toContain("/run/secrets/wis-key-web");
      expect(stdout).toContain(at("out/1e3.key"));
      expect(stdout).toContain("source: wis-key-web");
      expect(text("out/compose.keys.yml")).not.toContain(derived("web").key);
      expect(mode("out/web.key")).toBe("400");
    },
  );

  test("nothing that is there is touched, not even when only one of many is", () => {
    derive("--family", "batch", "--form", "host", "--out", out());
    const run = (...more: string[]): void =>
      derive(
        "--family",
        "web,batch",
        "--form",
        "host",
        "--out",
        out(),
        ...more,
      );
    expect(() => run()).toThrow(/batch\.key: exists, and nothing was written/);
    expect(readdirSync(out())).toEqual(["batch.key"]);
    run("--force");
    expect(readdirSync(out()).toSorted()).toEqual(["batch.key", "web.key"]);
    expect(mode("out/batch.key")).toBe("400");
  });

  test("a file with several masters does not say which one containers are to hold", () => {
    writeFileSync(at("two.key"), `${master}\n${master}\n`);
    expect(() =>
      derive("--family", "web", "--hmac-key-file", at("two.key")),
    ).toThrow("holds several masters");
  });

  test("what does not go together, or is malformed, is refused", () => {
    expect(() => derive("--family", "web", "--out", out())).toThrow("--out");
    expect(() => derive("--family", "web", "--form", "ecs")).toThrow(
      "--out (KEYS_OUT) is required",
    );
    expect(() => derive("--family", "web/app")).toThrow("--family");
    expect(() => derive("--family", "../web")).toThrow("--family");
    expect(() => deriveSettings.account.parse("1234")).toThrow("twelve digits");
  });
});

test("as a process: keys on standard output, words on standard error, faults with exit code 2 and no key", () => {
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [main, "keys", ...args], { encoding: "utf8" });
  const made = run("generate", "--ed25519");
  expect(made.status).toBe(0);
  expect(parseSigningKey(made.stdout).kid).toMatch(/^[0-9a-f]{16}$/);
  expect(made.stderr).not.toContain("PRIVATE");
  writeFileSync(at("short.key"), "c2hvcnQ");
  const refused = run(
    ...`derive --family web --account 123456789012 --hmac-key-file ${at("short.key")}`.split(
      " ",
    ),
  );
  expect(refused.status).toBe(2);
  expect(refused.stdout).toBe("");
  expect(refused.stderr).toContain("short.key: a key must be at least 32");
  expect(refused.stderr).not.toContain("c2hvcnQ");
});
