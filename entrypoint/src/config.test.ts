import { Secret } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { readSettings } from "./config.ts";
import { Failure } from "./exit.ts";
import type { OwnPlan } from "./plan.ts";
import { settings } from "./settings.ts";

const KEY = "PPdRfsVlbj5U9fa46RKkketChkYaZ1HsDQnA8dA1ZeQ";
const TASK =
  "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef0123456789abcdef";
const least = {
  WIS_HMAC_KEY: KEY,
  WIS_TASK_ARN: TASK,
  WIS_CONTAINER_NAME: "web",
  VAULT_ADDR: "HTTPS://Vault:443/",
};

const noFile = (): string => {
  throw Object.assign(new Error("none"), { code: "ENOENT" });
};
const read = (env: Record<string, string>, readFile = noFile) =>
  readSettings(new Map(Object.entries(env)), readFile);

function faultsOf(env: Record<string, string>, readFile = noFile): string {
  try {
    read(env, readFile);
  } catch (error) {
    if (error instanceof Failure && error.exit === "settings") {
      return error.message;
    }
    throw error;
  }
  return "";
}

test("with the least that is needed everything else has its default", () => {
  expect(read(least)).toMatchObject({
    mode: "vault",
    logLevel: "warn",
    config: {
      listen: { host: "0.0.0.0", port: 9202 },
      timeout: 30_000,
      stray: "exit",
      plaintext: false,
      own: { secrets: [], references: new Map(), prefix: "", uppercase: false },
      passthrough: new Set(),
      self: { taskArn: TASK, containerName: "web" },
      vault: { addr: "https://vault" },
    },
  });
});

test("without the key on the channel strays are sent away unless told otherwise", () => {
  const plain = { ...least, WIS_PLAINTEXT: "allow" };
  expect(read(plain)).toMatchObject({ config: { stray: "reject" } });
  expect(read({ ...plain, WIS_STRAY: "exit" })).toMatchObject({
    config: { stray: "exit" },
  });
});

test("an empty text counts as not given", () => {
  const empty = Object.fromEntries(
    Object.values(settings).map(({ env }) => [env, ""]),
  );
  expect(read({ ...empty, ...least })).toEqual(read(least));
});

test("with WIS_VAULT=signed no address is needed, and one that is given is not used", () => {
  const { VAULT_ADDR: _, ...rest } = least;
  const signed = read({ ...rest, WIS_VAULT: "signed" });
  expect(signed).toMatchObject({ config: {} });
  expect(read({ ...least, WIS_VAULT: "signed" })).toEqual(signed);
});

test("with WIS_MODE=off nothing is required, and a typo is still a fault", () => {
  expect(read({ WIS_MODE: "off" })).toEqual({
    mode: "off",
    logLevel: "warn",
    passthrough: new Set(),
  });
  expect(faultsOf({ WIS_MODE: "off", WIS_LISTNE: ":1" })).toContain(
    "WIS_LISTNE",
  );
  expect(faultsOf({ WIS_MODE: "Off" })).toContain("WIS_MODE");
});

test("networks are CIDRs or single addresses, and nothing else", () => {
  expect(
    read({ ...least, WIS_ALLOW_FROM: "10.0.0.0/8, 192.0.2.7,fd00::/8" }),
  ).toMatchObject({
    config: {
      allowFrom: [
        { address: "10.0.0.0", prefix: 8, family: "ipv4" },
        { address: "192.0.2.7", prefix: 32, family: "ipv4" },
        { address: "fd00::", prefix: 8, family: "ipv6" },
      ],
    },
  });
  for (const bad of ["10.0.0.0/33", "10.0.0/8", "host", "10.0.0.0/8,", "/8"]) {
    expect(faultsOf({ ...least, WIS_ALLOW_FROM: bad })).toContain("CIDR");
  }
});

test.each([
  ["WIS_LISTEN", "no-port"],
  ["WIS_TIMEOUT", "99"],
  ["WIS_TIMEOUT", "2h"],
  ["WIS_STRAY", "EXIT"],
  ["WIS_PLAINTEXT", "true"],
  ["WIS_TASK_ARN", "arn:aws:ecs:x"],
  ["WIS_CONTAINER_NAME", "a b"],
  ["WIS_SECRETS", "secret/../other"],
  ["WIS_SECRETS", "secret/a,,secret/b"],
  ["WIS_VAULT", "any"],
  ["WIS_LOG_LEVEL", "loud"],
  ["VAULT_ADDR", "vault:8200"],
  ["VAULT_NAMESPACE", "a\nb"],
  ["VAULT_CACERT", "/no/such/file"],
  ["ECS_CONTAINER_METADATA_URI_V4", "169.254.170.2/v4"],
  ["WIS_HMAC_KEY", "c2hvcnQ"],
])("%s cannot be %j, and the fault does not repeat it", (name, value) => {
  const message = faultsOf({ ...least, [name]: value });
  expect(message).toMatch(new RegExp(`1 fault\\(s\\): ${name}: `));
  expect(message).not.toContain(value);
});

test("the key comes from exactly one place, and a file that cannot be read is named by its variable only", () => {
  const { WIS_HMAC_KEY: _, ...rest } = least;
  expect(faultsOf(rest)).toContain("one of them is required");
  const file = { ...rest, WIS_HMAC_KEY_FILE: "/run/secrets/key" };
  expect(faultsOf({ ...file, WIS_HMAC_KEY: KEY })).toContain("only one");
  expect(faultsOf(file)).toContain(
    "WIS_HMAC_KEY_FILE: the file cannot be read (ENOENT)",
  );
  expect(faultsOf(file, () => "no key!")).toContain("base64url");
  expect(read(file, () => `${KEY}\n`)).toEqual(read(least));
});

const PUBLIC =
  '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}';

test("a public key stands for an HMAC key: strays are sent away, and the delivery may name Vault", () => {
  const { WIS_HMAC_KEY: _, VAULT_ADDR: address, ...rest } = least;
  const env = { ...rest, WIS_PUBLIC_KEY: PUBLIC };
  const settings = read(env);
  expect(settings).toMatchObject({
    config: {
      stray: "reject",
      proof: { kind: "ed25519", publicKey: { length: 32 } },
    },
  });
  expect(settings).not.toHaveProperty("config.vault");
  expect(read({ ...env, VAULT_ADDR: address })).toMatchObject({
    config: { vault: { addr: "https://vault" } },
  });
  expect(read({ ...env, WIS_STRAY: "exit" })).toMatchObject({
    config: { stray: "exit" },
  });
  const file = { ...rest, WIS_PUBLIC_KEY_FILE: "/etc/broker.pub" };
  expect(read(file, () => PUBLIC)).toEqual(settings);
  expect(faultsOf(file)).toContain("WIS_PUBLIC_KEY_FILE: the file cannot");
  expect(faultsOf(file, () => KEY)).toContain("Ed25519 public key");
});

test("a container holds exactly one key, and never the private half of a pair", () => {
  for (const second of [
    { WIS_PUBLIC_KEY: PUBLIC },
    { WIS_PUBLIC_KEY: "unreadable" },
    { WIS_PUBLIC_KEY_FILE: "/etc/broker.pub" },
    { WIS_HMAC_KEY_FILE: "/run/secrets/key" },
  ]) {
    expect(faultsOf({ ...least, ...second }, () => PUBLIC)).toContain(
      `WIS_HMAC_KEY and ${Object.keys(second)[0]}: only one of them may be set`,
    );
  }
  const { WIS_HMAC_KEY: _, ...rest } = least;
  const secret = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
  const message = faultsOf({
    ...rest,
    WIS_PUBLIC_KEY: PUBLIC.replace("}", `,"d":"${secret}"}`),
  });
  expect(message).toMatch(/1 fault\(s\): WIS_PUBLIC_KEY: .*private key/);
  expect(message).not.toContain(secret);
});

test("who it is has to be known or to be asked", () => {
  const { WIS_TASK_ARN: _, ...rest } = least;
  expect(faultsOf(rest)).toContain("ECS_CONTAINER_METADATA_URI_V4");
  const uri = "http://169.254.170.2/v4/abc";
  expect(read({ ...rest, ECS_CONTAINER_METADATA_URI_V4: uri })).toMatchObject({
    config: { metadata: uri, self: { containerName: "web" } },
  });
});

test("the settings once read show no key", () => {
  expect(JSON.stringify(read(least))).not.toContain(KEY);
  expect(String(new Secret(KEY))).not.toContain(KEY);
});

test("references are found in every variable but ours and Vault's and those said to hold none", () => {
  const own = (env: Record<string, string>) =>
    read({ ...least, ...env }) as { config: { own: OwnPlan } };
  const names = (env: Record<string, string>) => [
    ...own(env).config.own.references.keys(),
  ];
  const reference = "vault:secret/db#password";
  const env = {
    A: reference,
    B: `x\${${reference}}`,
    C: "plain",
    VAULT_OTHER: reference,
    VAULT_TOKEN: "vault:login",
  };
  expect(names(env)).toEqual(["A", "B", "VAULT_TOKEN"]);
  expect(names({ ...env, WIS_LITERAL: "A, B" })).toEqual(["VAULT_TOKEN"]);
  expect(names({ ...env, WIS_PASSTHROUGH: "VAULT_OTHER" })).toEqual([
    "A",
    "B",
    "VAULT_OTHER",
    "VAULT_TOKEN",
  ]);
  expect(names({ A: "vault:8200", WIS_LITERAL: "A" })).toEqual([]);
});

test("broken references are faults, told by the variable's name with all others and never by their value", () => {
  const faults = faultsOf({
    ...least,
    A: "vault:hush/db",
    B: "${vault:hush#x",
    "odd name": "vault:hush",
    C: "vault:v1:aHVzaA==",
    WIS_SECRETS: "secret/web#latest",
    WIS_PREFIX: "1",
    WIS_UPPERCASE: "yes",
  });
  for (const part of [
    "A: must name a key",
    "B: must close",
    "a variable: must",
    "VAULT_TRANSIT_KEY_ID: is required to decrypt what C",
    "WIS_SECRETS: must give its version",
    "WIS_PREFIX: ",
    "WIS_UPPERCASE: ",
  ]) {
    expect(faults).toContain(part);
  }
  expect(faults).not.toMatch(/hush|aHVzaA/);
});

test("a ciphertext is decrypted where the transit engine's settings say", () => {
  const encrypted = { ...least, A: "vault:v1:aHVzaA==" };
  expect(read({ ...encrypted, VAULT_TRANSIT_KEY_ID: "web" })).toMatchObject({
    config: { own: { decryptPath: "transit/decrypt/web" } },
  });
  expect(
    read({
      ...encrypted,
      VAULT_TRANSIT_KEY_ID: "web",
      VAULT_TRANSIT_PATH: "team/keys",
    }),
  ).toMatchObject({
    config: { own: { decryptPath: "team/keys/decrypt/web" } },
  });
});

test("an application's own WIS_ variable is no typo when it is passed through", () => {
  const env = { ...least, WIS_OF_THE_APP: "x" };
  expect(faultsOf(env)).toContain("WIS_OF_THE_APP");
  expect(read({ ...env, WIS_PASSTHROUGH: "WIS_OF_THE_APP" })).toMatchObject({
    config: { passthrough: new Set(["WIS_OF_THE_APP"]) },
  });
});
