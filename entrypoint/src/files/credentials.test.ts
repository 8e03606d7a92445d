import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret } from "@vaultbuddy/common";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readSettings } from "../config.ts";
import { Failure } from "../exit.ts";
import { opened } from "../testing.ts";
import { prepareCredentials, writeCredentials } from "./credentials.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "vaultbuddy-credentials-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const least = {
  WIS_MODE: "credentials",
  WIS_HMAC_KEY: "PPdRfsVlbj5U9fa46RKkketChkYaZ1HsDQnA8dA1ZeQ",
  WIS_TASK_ARN:
    "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef0123456789abcdef",
  WIS_CONTAINER_NAME: "web",
  VAULT_ADDR: "https://vault",
};
function read(env: Record<string, string>) {
  try {
    const settings = readSettings(
      new Map(Object.entries({ ...least, ...env })),
      () => "",
    );
    return settings.mode === "vault" ? settings.config : undefined;
  } catch (error) {
    if (error instanceof Failure) {
      return error.message;
    }
    throw error;
  }
}

test("its variables have the defaults of kubernetes-vault", () => {
  expect(read({})).toMatchObject({
    timeout: 300_000,
    credentials: { directory: "/var/run/secrets/boostport.com", disk: false },
  });
  expect(
    read({
      CREDENTIALS_PATH: "/creds",
      TIMEOUT: "1m30.5s",
      RETRIEVE_TOKEN: "True",
      UNWRAP_SECRET: "true",
      VAULT_ROLE_ID: "any",
      WIS_FILES_DISK: "allow",
    }),
  ).toMatchObject({
    timeout: 90_500,
    credentials: { directory: "/creds", disk: true },
  });
  expect(read({ WIS_TIMEOUT: "20s" })).toMatchObject({ timeout: 20_000 });
});

test("in any other mode they are somebody else's", () => {
  const config = read({
    WIS_MODE: "",
    CREDENTIALS_PATH: "not ours",
    TIMEOUT: "30",
    RETRIEVE_TOKEN: "?",
    UNWRAP_SECRET: "?",
  });
  expect(config).toMatchObject({ timeout: 30_000 });
  expect(config).not.toHaveProperty("credentials");
});

test.each<[Record<string, string>, string]>([
  [{ TIMEOUT: "300" }, "TIMEOUT: must be a duration from 100ms to 1h"],
  [{ TIMEOUT: "5mm" }, "TIMEOUT: must be a duration"],
  [{ TIMEOUT: "2h" }, "TIMEOUT: must be a duration"],
  [{ RETRIEVE_TOKEN: "false" }, "RETRIEVE_TOKEN: must be true"],
  [{ UNWRAP_SECRET: "false" }, "UNWRAP_SECRET: must be true"],
  [{ CREDENTIALS_PATH: "creds" }, "CREDENTIALS_PATH: must be an absolute path"],
  [
    { TIMEOUT: "1m", WIS_TIMEOUT: "1m" },
    "WIS_TIMEOUT and TIMEOUT: only one of them may be set",
  ],
])("%o is a fault", (env, fault) => {
  expect(read(env)).toContain(fault);
});

test("the files are those of kubernetes-vault, byte for byte", () => {
  const plan = { directory, disk: true };
  prepareCredentials(plan);
  expect(readdirSync(directory)).toEqual([]);
  const token = { ...opened, token: new Secret("s.a<b>&c") };
  const remove = writeCredentials(plan, token, 3600, {
    addr: "https://vault:8200",
    ca: "PEM\n",
  });
  // Written by Go's json.Marshal of the same five values.
  expect(readFileSync(join(directory, "vault-token"), "utf8")).toBe(
    '{"clientToken":"s.a\\u003cb\\u003e\\u0026c","accessor":"inner-accessor","leaseDuration":3600,"renewable":true,"vaultAddr":"https://vault:8200"}',
  );
  expect(readFileSync(join(directory, "ca.crt"), "utf8")).toBe("PEM\n");
  for (const name of ["vault-token", "ca.crt"]) {
    expect(statSync(join(directory, name)).mode & 0o7777).toBe(0o444);
  }
  remove();
  writeCredentials(plan, token, 3600, { addr: "https://vault:8200" });
  expect(readdirSync(directory)).toEqual(["vault-token"]);
});
