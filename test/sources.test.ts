// Where the app's values come from: whole secrets of both kinds of KV, references inside variables, credentials with a
// lease, certificates, ciphertexts; each asked for once, and the token ended when nothing hangs on it any more.

import { looseTask, notify, readAppLine, Stack } from "@vaultbuddy/devstack";
import type { Daemon } from "@vaultbuddy/devstack";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { hashed, lives, mintedAccessors } from "./facts.ts";

let stack: Stack;
let url: string;
let entrypoint: Daemon | undefined;

const rules = [
  ["secret/data/web", "read"],
  ["secret/data/db", "read"],
  ["kv1/*", "read"],
  ["database/creds/web", "read"],
  ["pki/issue/web", "update"],
  ["transit/decrypt/web", "update"],
];

beforeAll(async () => {
  stack = await Stack.start({
    containers: false,
    families: ["sources"],
    policy: {
      sources: { policies: ["sources"], ttl: 3600 },
      planned: {
        policies: ["sources"],
        ttl: 3600,
        secrets: ["secret/web"],
        env: { DB_USER: "secret/db#user", OTHER: "kv1/old#A" },
      },
    },
  });
  const { admin } = stack;
  await admin.ask("PUT", "sys/policies/acl/sources", {
    policy: rules
      .map(([path, can]) => `path "${path}" { capabilities = ["${can}"] }`)
      .join("\n"),
  });
  for (const [path, body] of Object.entries({
    kv1: { type: "kv", options: { version: "1" } },
    database: { type: "database" },
    pki: { type: "pki" },
    transit: { type: "transit" },
  })) {
    await admin.ask("POST", `sys/mounts/${path}`, body);
  }
  await admin.ask("POST", "secret/data/web", { data: { name: "old" } });
  for (const [path, body] of Object.entries({
    "secret/data/web": { data: { name: "web", DB_USER: "by path" } },
    "secret/data/db": { data: { user: "app", password: "p@ss word" } },
    "kv1/old": { A: "v1", number: 12 },
    "database/config/shop": {
      plugin_name: "postgresql-database-plugin",
      allowed_roles: "web",
    },
    "database/roles/web": { db_name: "shop", default_ttl: "1h" },
    "pki/root/generate/internal": { common_name: "root", key_type: "ec" },
    "pki/roles/web": { allow_any_name: true, key_type: "ec" },
    "transit/keys/web": {},
  })) {
    await admin.ask("POST", path, body);
  }
  ({ url } = await stack.startBroker());
});
afterEach(async () => {
  await entrypoint?.stop();
});
afterAll(() => stack.close());

/** Runs a container with these variables; answers the hashes of what its app has, by name. */
async function run(
  env: Record<string, string>,
  family = "sources",
): Promise<Readonly<Record<string, string>>> {
  stack.vault.audit.clear();
  const task = await looseTask(stack, { family, env });
  entrypoint = task.start();
  expect((await notify(url, task.notice)).code).toBe("delivered");
  const { text } = await entrypoint.line(
    (line) => readAppLine(line.text) !== undefined,
  );
  return readAppLine(text)?.variables ?? {};
}

/** Runs a container that ends without its app; answers its exit code and what it said. */
async function fails(
  env: Record<string, string>,
): Promise<{ code: number; said: string }> {
  stack.vault.audit.clear();
  const task = await looseTask(stack, { family: "sources", env });
  entrypoint = task.start();
  const answer = notify(url, task.notice, 5000).catch(() => undefined);
  const code = await entrypoint.exit();
  await answer;
  return { code: Number(code), said: entrypoint.output };
}

/** What the container asked of Vault since it was opened, but for its own token. */
function asked(): string[] {
  return stack.vault.audit.entries
    .map(({ path }) => path)
    .filter((path) => /^(?:secret|kv1|database|pki|transit)\//.test(path))
    .toSorted();
}

const tokenLives = (): Promise<boolean> =>
  lives(stack, mintedAccessors(stack).at(-1) ?? "");
const leases = async (): Promise<string[]> => {
  const { data } = (await stack.admin
    .ask("LIST", "sys/leases/lookup/database/creds/web")
    .catch(() => ({ data: { keys: [] } }))) as { data: { keys: string[] } };
  return data.keys;
};

test("whole secrets, of both kinds of KV, with a prefix and in capitals", async () => {
  const app = await run({
    WIS_SECRETS: "secret/web#1,kv1/old",
    WIS_PREFIX: "MY_",
    WIS_UPPERCASE: "true",
  });
  expect(app).toMatchObject({
    MY_NAME: hashed("old"),
    MY_A: hashed("v1"),
    MY_NUMBER: hashed("12"),
  });
  expect(await tokenLives()).toBe(false);
});

test("references anywhere in a value, each secret read once", async () => {
  const app = await run({
    DB_URL:
      "postgres://${vault:secret/db#user}:${vault:secret/db#password}@db/app",
    PASSWORD: "vault:secret/data/db#password",
    FIRST: "vault:secret/web#name#1",
    LITERAL: "$${vault:secret/db#user}",
    KEPT: "vault:8200",
    WIS_LITERAL: "KEPT",
  });
  expect(app).toMatchObject({
    DB_URL: hashed("postgres://app:p@ss word@db/app"),
    PASSWORD: hashed("p@ss word"),
    FIRST: hashed("old"),
    LITERAL: hashed("${vault:secret/db#user}"),
    KEPT: hashed("vault:8200"),
  });
  expect(asked()).toEqual(["secret/data/db", "secret/data/web"]);
  expect(await tokenLives()).toBe(false);
});

test("references beat own whole secrets, and those what the rule names", async () => {
  const app = await run(
    { WIS_SECRETS: "kv1/old", A: "vault:secret/db#user", OTHER: "plain" },
    "planned",
  );
  expect(app).toMatchObject({
    A: hashed("app"),
    DB_USER: hashed("app"),
    name: hashed("web"),
    OTHER: hashed("v1"),
  });
});

test("credentials with a lease are made once, and keep the token alive that they hang on", async () => {
  const before = await leases();
  const app = await run({
    DB_URL:
      "postgres://${vault:database/creds/web#username}:${vault:database/creds/web#password}@db/app",
    DB_USER: "vault:database/creds/web#username",
  });
  expect(app["DB_URL"]).toBeDefined();
  expect(asked()).toEqual(["database/creds/web"]);
  const made = (await leases()).filter((one) => !before.includes(one));
  expect(made).toHaveLength(1);
  expect(await tokenLives()).toBe(true);
  // As when the task has stopped.
  await stack.admin.ask("POST", "auth/token/revoke-accessor", {
    accessor: mintedAccessors(stack).at(-1),
  });
  expect(await leases()).toEqual(before);
});

test("a certificate and its key come from one answer", async () => {
  const reference = (key: string): string =>
    `>>vault:pki/issue/web#${key}#{"common_name":"a.example","ttl":"10m"}`;
  const app = await run({
    CERT: reference("certificate"),
    KEY: reference("private_key"),
    BOTH: `\${${reference("certificate")}}\n\${${reference("issuing_ca")}}`,
  });
  expect(asked()).toEqual(["pki/issue/web"]);
  const { data } = (await stack.admin.ask("LIST", "pki/certs")) as {
    data: { keys: string[] };
  };
  const issued = await Promise.all(
    data.keys.map(async (serial) => {
      const one = (await stack.admin.ask("GET", `pki/cert/${serial}`)) as {
        data: { certificate: string };
      };
      return one.data.certificate;
    }),
  );
  expect(issued.map((pem) => hashed(pem))).toContain(app["CERT"]);
  const both = issued.flatMap((pem) =>
    issued.map((root) => hashed(`${pem}\n${root}`)),
  );
  expect(both).toContain(app["BOTH"]);
  expect(app["KEY"]).not.toBe(app["CERT"]);
  expect(await tokenLives()).toBe(false);
});

test("ciphertexts are decrypted, all in one call", async () => {
  const encrypt = async (text: string): Promise<string> => {
    const { data } = (await stack.admin.ask("POST", "transit/encrypt/web", {
      plaintext: Buffer.from(text).toString("base64"),
    })) as { data: { ciphertext: string } };
    return data.ciphertext;
  };
  const [one, other] = [await encrypt("päss"), await encrypt("word")];
  const app = await run({
    ONE: one,
    TWO: `\${${one}}-\${${other}}`,
    VAULT_TRANSIT_KEY_ID: "web",
  });
  expect(app).toMatchObject({ ONE: hashed("päss"), TWO: hashed("päss-word") });
  expect(asked()).toEqual(["transit/decrypt/web"]);
  const bad = await fails({
    ONE: one,
    BAD: one.replace(/.{8}$/, "AAAAAAA="),
    VAULT_TRANSIT_KEY_ID: "web",
  });
  expect(bad.code).toBe(236);
  expect(bad.said).toContain(
    'BAD holds a ciphertext that "transit/decrypt/web" does not decrypt to text',
  );
});

test("the app gets VAULT_* and WIS_* and the token by name only", async () => {
  const app = await run({
    VAULT_TOKEN: "vault:login",
    VAULT_NAMESPACE: "team",
    WIS_PASSTHROUGH: "VAULT_ADDR,WIS_TASK_ARN",
  });
  expect(
    Object.keys(app)
      .filter((name) => /^(?:VAULT|WIS)_/.test(name))
      .toSorted(),
  ).toEqual(["VAULT_ADDR", "VAULT_TOKEN", "WIS_TASK_ARN"]);
  expect(app["VAULT_ADDR"]).toBe(hashed(stack.vault.addr));
  expect(await tokenLives()).toBe(true);
});

test.each<[string, Record<string, string>, number, string]>([
  [
    "a missing path",
    { X: "vault:kv1/none#key" },
    234,
    'there is no secret at "kv1/none" (404)',
  ],
  [
    "a missing version",
    { X: "vault:secret/db#user#9" },
    234,
    'there is no version 9 of "secret/db" (404)',
  ],
  [
    "a version where there are none",
    { X: "vault:kv1/old#A#1" },
    234,
    'there is no version 1 of "kv1/old": its engine keeps no versions',
  ],
  [
    "no permission",
    { X: "vault:secret/forbidden#key" },
    234,
    'Vault refuses to read "secret/forbidden" (403)',
  ],
  [
    "an engine of which nothing may be seen",
    { X: "vault:nowhere/x#key" },
    234,
    'Vault refuses to read "nowhere/x" (403)',
  ],
  [
    "no permission to write",
    { X: ">>vault:pki/issue/other#certificate" },
    234,
    'Vault refuses to write "pki/issue/other" (403)',
  ],
  [
    "a missing key",
    { X: "vault:secret/db#none" },
    236,
    'there is no key "none" in "secret/db", which X is to hold',
  ],
  [
    "two whole secrets that give one name",
    { WIS_SECRETS: "kv1/old,kv1/same" },
    236,
    'key "A" of "kv1/old" and key "A" of "kv1/same" both give A',
  ],
  [
    "a reference that is none",
    { X: "vault:secret/db" },
    220,
    "X: must name a key",
  ],
])(
  "%s is told by name, and the token ended",
  async (_name, env, code, said) => {
    await stack.admin.ask("POST", "kv1/same", { A: "other" });
    const end = await fails({ ...env, WIS_TIMEOUT: "3s" });
    expect(end.said).toContain(said);
    expect(end.code).toBe(code);
    expect(end.said).not.toMatch(/p@ss|v1"/);
    expect(await tokenLives()).toBe(false);
  },
);
