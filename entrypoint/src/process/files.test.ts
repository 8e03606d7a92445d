// The real process writes files: before the command runs they are whole, and when anything fails there is none.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeVault, respond } from "./fake-vault.ts";
import {
  deliveryFor,
  post,
  scratch,
  settingsFor,
  sign,
  start,
} from "./harness.ts";

let vault: FakeVault;
let directory: string;

beforeEach(async () => {
  vault = await new FakeVault().start();
  vault.mint("wrap-1");
  directory = mkdtempSync(join(scratch, "files-"));
});
afterEach(() => {
  vault.stop();
  rmSync(directory, { recursive: true });
});

const settings = (
  files: readonly Record<string, unknown>[],
): Record<string, string> => ({
  ...settingsFor(vault),
  WIS_FILES: JSON.stringify(
    files.map((one) => ({ path: join(directory, "a"), ...one })),
  ),
  WIS_FILES_DIR: directory,
  WIS_FILES_DISK: "allow",
});

async function run(
  env: Record<string, string>,
  command = ["sh", "-c", `cd ${directory} && stat -c '%a %n' * && cat *`],
) {
  const started = await start(["--", ...command], env);
  await post(await started.port(), sign(deliveryFor(vault, "wrap-1")));
  return { code: await started.ended, out: started.out(), err: started.err() };
}

test("whole secrets and templates are files of the command, and no variables", async () => {
  vault.override("secret/data/db", (_seen, response) => {
    response.end(
      '{"lease_id":"","data":{"data":{"user":"a<b>","port":5432,"id":12345678901234567890,"tls.crt":"PEM"},"metadata":{}}}',
    );
    return "answered";
  });
  writeFileSync(join(scratch, "t.mustache"), "port {{vault:secret/db#port}}\n");
  const { code, out, err } = await run(
    settings([
      { secret: "secret/db", mode: "0444" },
      {
        path: join(directory, "b"),
        template: "\n{{vault:secret/db#user}} {{vault:secret/db#tls.crt}}\n",
      },
      {
        path: join(directory, "c"),
        templateFile: join(scratch, "t.mustache"),
        mode: "640",
      },
    ]),
  );
  expect(code, err).toBe(0);
  expect(out).toBe(
    '444 a\n400 b\n640 c\n{"user":"a<b>","port":5432,"id":12345678901234567890,"tls.crt":"PEM"}\na<b> PEM\nport 5432\n',
  );
  // Whoever asks, a secret is read once; and its token ends, because it only read.
  const paths = vault.paths();
  expect(paths.filter((path) => path === "secret/data/db")).toHaveLength(1);
  expect(paths.at(-1)).toBe("auth/token/revoke-self");
});

test("a template may hold the token, which then lives on", async () => {
  const { code, out, err } = await run(
    settings([{ template: "{{vault:login}}\n" }]),
  );
  expect(code, err).toBe(0);
  expect(out).toContain("hvs.client-of-wrap-1");
  expect(vault.paths()).not.toContain("auth/token/revoke-self");
});

test("a key that is not there is told by path and key, the token is revoked and no file is left", async () => {
  vault.secrets.set("secret/db", { user: "canary" });
  const { code, err } = await run(
    settings([
      { secret: "secret/db" },
      {
        path: join(directory, "b"),
        template: "{{vault:secret/db#user}}{{vault:secret/db#pass}}",
      },
    ]),
  );
  expect(code).toBe(236);
  expect(err).toContain(
    `there is no key "pass" in "secret/db", which the file ${JSON.stringify(join(directory, "b"))} is to hold`,
  );
  expect(err).not.toContain("canary");
  expect(readdirSync(directory)).toEqual([]);
  expect(vault.paths()).toContain("auth/token/revoke-self");
});

test("a command that the kernel refuses at the last moment leaves no file behind", async () => {
  vault.secrets.set("secret/db", { user: "x".repeat(100_000) });
  const { code } = await run(
    {
      ...settings([{ secret: "secret/db" }]),
      ...Object.fromEntries(
        Array.from({ length: 30 }, (_, at) => [
          `BIG_${at}`,
          "${vault:secret/db#user}",
        ]),
      ),
    },
    ["true"],
  );
  expect(code).toBe(221);
  expect(readdirSync(directory)).toEqual([]);
});

test.each<[string, (env: Record<string, string>) => object, number, string]>([
  [
    "a broken template",
    () => ({ WIS_FILES: `[{"path":"${directory}/a","template":"{{canary"}]` }),
    220,
    "WIS_FILES: files[0].template: must be a mustache template",
  ],
  [
    "a template that is not there",
    () => ({
      WIS_FILES: `[{"path":"${directory}/a","templateFile":"/no/such"}]`,
    }),
    220,
    "files[0].templateFile: the file cannot be read (ENOENT)",
  ],
  [
    "a ciphertext without a key",
    () => ({
      WIS_FILES: `[{"path":"${directory}/a","template":"{{vault:v1:Z29vZA==}}"}]`,
    }),
    220,
    "VAULT_TRANSIT_KEY_ID",
  ],
  [
    "a directory that is not there",
    () => ({
      WIS_FILES: '[{"path":"/no/such/a","secret":"secret/a"}]',
      WIS_FILES_DIR: "/no/such",
    }),
    238,
    "mount a tmpfs",
  ],
])("%s ends it before anything is fetched", async (_what, more, code, says) => {
  const env = settings([{ secret: "secret/db" }]);
  const started = await start(["true"], { ...env, ...more(env) });
  expect(await started.ended).toBe(code);
  expect(started.err()).toContain(says);
  expect(started.err()).not.toContain("canary");
  expect(vault.requests).toEqual([]);
});

test("a directory that vanishes at the last moment costs the token and leaves no file", async () => {
  vault.secrets.set("secret/db", { user: "app" });
  const gone = join(directory, "gone");
  const env = settings([
    { path: join(gone, "a"), secret: "secret/db" },
    { path: join(directory, "b"), template: "{{vault:secret/db#user}}" },
  ]);
  const started = await start(["true"], env);
  const port = await started.port();
  vault.override("secret/data/db", () => {
    // Somebody else's doing, between the look and the writing.
    rmSync(gone, { recursive: true });
    return undefined;
  });
  await post(port, sign(deliveryFor(vault, "wrap-1")));
  expect(await started.ended).toBe(238);
  expect(started.err()).toContain("(ENOENT)");
  expect(readdirSync(directory)).toEqual([]);
  expect(vault.paths().at(-1)).toBe("auth/token/revoke-self");
});

test("a signal between the reads leaves nothing", async () => {
  vault.secrets.set("secret/db", { user: "app" });
  const env = settings([{ secret: "secret/db" }]);
  const started = await start(["sleep", "60"], env);
  const port = await started.port();
  vault.override("secret/data/db", (_seen, response) => {
    started.child.kill("SIGTERM");
    return respond(response, 503, { errors: [] });
  });
  await post(port, sign(deliveryFor(vault, "wrap-1")));
  expect(await started.ended).toBe(143);
  expect(readdirSync(directory)).toEqual([]);
});

test("with WIS_MODE=credentials the command has its token as kubernetes-vault leaves it, renewed and alive", async () => {
  vault.secrets.set("secret/db", { user: "app" });
  const { code, out, err } = await run(
    {
      ...settings([]),
      WIS_FILES: "",
      WIS_MODE: "credentials",
      WIS_TIMEOUT: "",
      TIMEOUT: "10s",
      CREDENTIALS_PATH: directory,
      DB_USER: "${vault:secret/db#user}",
    },
    ["sh", "-c", `echo $DB_USER; cd ${directory}; stat -c '%a %n' *; cat *`],
  );
  expect(code, err).toBe(0);
  expect(out).toBe(
    `app\n444 vault-token\n{"clientToken":"hvs.client-of-wrap-1","accessor":"accessor-of-wrap-1","leaseDuration":3600,"renewable":true,"vaultAddr":"${vault.addr}"}`,
  );
  expect(vault.paths()).not.toContain("auth/token/revoke-self");
});

test("a token that cannot be renewed is not given to a command, and no file is left", async () => {
  vault.renewable = false;
  const { code } = await run(
    {
      ...settings([]),
      WIS_FILES: "",
      WIS_MODE: "credentials",
      CREDENTIALS_PATH: directory,
    },
    ["true"],
  );
  expect(code).toBe(237);
  expect(readdirSync(directory)).toEqual([]);
});

test("a place for the token that is not there is found before anything is fetched", async () => {
  const started = await start(["true"], {
    ...settings([]),
    WIS_FILES: "",
    WIS_MODE: "credentials",
    CREDENTIALS_PATH: "/no/such",
  });
  expect(await started.ended).toBe(238);
  expect(vault.requests).toEqual([]);
});
