// The real process: where its values come from, what becomes of its token, and what a Vault that answers badly does to
// questions that must not be put twice.

import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeVault, respond } from "./fake-vault.ts";
import { deliveryFor, post, settingsFor, sign, start } from "./harness.ts";
import type { Started } from "./harness.ts";

let vault: FakeVault;

beforeEach(async () => {
  vault = await new FakeVault().start();
  vault.mint("wrap-1");
});
afterEach(() => vault.stop());

/** Starts a container, delivers, and waits for its end. */
async function served(
  env: Record<string, string>,
  command: readonly string[] = ["env"],
): Promise<Ended> {
  const started = await start(command, { ...settingsFor(vault), ...env });
  await post(await started.port(), sign(deliveryFor(vault, "wrap-1")));
  return ended(started);
}

/** What a container that has ended said. */
interface Ended {
  readonly code: number | string;
  readonly out: string;
  readonly err: string;
}

async function ended(started: Started): Promise<Ended> {
  const code = await started.ended;
  return { code, out: started.out(), err: started.err() };
}

/** Puts an engine that leases at `db/`, and answers its reads. */
function leasing(answer: Parameters<FakeVault["override"]>[1]): void {
  vault.override("sys/internal/ui/mounts/db/*", (_seen, response) =>
    respond(response, 200, {
      data: { type: "database", path: "db/", options: null },
    }),
  );
  vault.override("db/creds/web", answer);
}

const credentials = {
  lease_id: "db/creds/web/1",
  renewable: true,
  lease_duration: 60,
  data: { username: "u-1", password: "p-1" },
};
const reads = (path: string): number =>
  vault.paths().filter((one) => one === path).length;

test("references become values, and the rest of the environment is as it was", async () => {
  vault.secrets.set("secret/db", { user: "app", port: 5432, list: [1, "a"] });
  const { code, out, err } = await served({
    DB: "x://${vault:secret/db#user}@db:${vault:secret/data/db#port}/$${vault:a#b}",
    LIST: "vault:secret/db#list",
    PLAIN: "${HOME} $$",
  });
  expect(code, err).toBe(0);
  expect(out.split("\n")).toEqual(
    expect.arrayContaining([
      "DB=x://app@db:5432/${vault:a#b}",
      'LIST=[1,"a"]',
      "PLAIN=${HOME} $$",
    ]),
  );
  expect(reads("secret/data/db")).toBe(1);
  expect(vault.paths().at(-1)).toBe("auth/token/revoke-self");
});

test("a token on which a lease hangs is kept, and one that the command gets", async () => {
  leasing((_seen, response) => respond(response, 200, credentials));
  const leased = await served({
    A: "vault:db/creds/web#username",
    B: "vault:db/creds/web#password",
  });
  expect(leased.out).toContain("A=u-1\n");
  expect(leased.out).toContain("B=p-1\n");
  expect(reads("db/creds/web")).toBe(1);
  vault.mint("wrap-1");
  const given = await served({ VAULT_TOKEN: "vault:login" });
  expect(given.out).toContain("VAULT_TOKEN=hvs.client-of-wrap-1\n");
  expect(vault.paths()).not.toContain("auth/token/revoke-self");
});

test("a token that the command is to get and that Vault does not renew ends the container with renew_failed", async () => {
  vault.renewable = false;
  const { code, err } = await served({ TOKEN: "vault:login" });
  expect(code).toBe(237);
  expect(err).toContain("the token that the command is to get");
  expect(vault.paths().at(-1)).toBe("auth/token/revoke-self");
});

test("a Vault that does not take the token back costs half a second at most, and no word", async () => {
  vault.override("auth/token/revoke-self", () => "answered");
  const { code, out, err } = await served({ WIS_LOG_LEVEL: "info" }, [
    "echo",
    "ran",
  ]);
  expect(code).toBe(0);
  expect(out).toBe("ran\n");
  expect(err).not.toContain("revoked");
  expect(reads("auth/token/revoke-self")).toBe(1);
});

test("credentials whose answer was lost are not asked for again", async () => {
  leasing((_seen, response) => {
    response.socket?.destroy();
    return "answered";
  });
  const { code, err } = await served({ A: "vault:db/creds/web#username" });
  expect(code).toBe(235);
  expect(err).toContain('no usable answer for "db/creds/web"');
  expect(reads("db/creds/web")).toBe(1);
  expect(vault.paths().at(-1)).toBe("auth/token/revoke-self");
});

test("a Vault that says it did nothing is asked again, for credentials too", async () => {
  let asked = 0;
  leasing((_seen, response) =>
    (asked += 1) < 3
      ? respond(response, 503, { errors: ["Vault is sealed"] })
      : respond(response, 200, credentials),
  );
  const { code, out } = await served({ A: "vault:db/creds/web#username" });
  expect(code).toBe(0);
  expect(out).toContain("A=u-1\n");
});

test("what is written to answers with its keys, and is written to once", async () => {
  vault.override("pki/issue/web", (_seen, response) =>
    respond(response, 200, {
      lease_id: "",
      data: { certificate: "CERT", private_key: "KEY", expiration: 1 },
    }),
  );
  const { code, out, err } = await served({
    CERT: '>>vault:pki/issue/web#certificate#{"common_name":"a","ttl":"1h"}',
    BOTH: '${>>vault:pki/issue/web#private_key#{"ttl":"1h","common_name":"a"}}+${>>vault:pki/issue/web#certificate#{"ttl":"1h","common_name":"a"}}',
  });
  expect(code, err).toBe(0);
  expect(out).toContain("CERT=CERT\n");
  expect(out).toContain("BOTH=KEY+CERT\n");
  expect(vault.requests.filter((one) => one.path === "pki/issue/web")).toEqual([
    expect.objectContaining({
      method: "POST",
      body: '{"common_name":"a","ttl":"1h"}',
    }),
  ]);
});

test("a command that cannot be executed after all does not end its token twice", async () => {
  // More than the kernel takes together, though each by itself is none too long.
  vault.secrets.set(
    "secret/big",
    Object.fromEntries(
      Array.from({ length: 30 }, (_, at) => [`K${at}`, "x".repeat(120_000)]),
    ),
  );
  const { code, err } = await served({ WIS_SECRETS: "secret/big" });
  expect(code, err).toBe(221);
  expect(reads("auth/token/revoke-self")).toBe(1);
  expect(err).not.toContain("could not be revoked");
});

test("with WIS_MODE=off references stay as they are, and names are passed through all the same", async () => {
  const off = await start(["env"], {
    PATH: process.env["PATH"] ?? "",
    WIS_MODE: "off",
    WIS_PASSTHROUGH: "VAULT_ADDR",
    VAULT_ADDR: "https://vault",
    VAULT_TOKEN: "none of its business",
    A: "vault:secret/db#user",
  });
  const { code, out } = await ended(off);
  expect(code).toBe(0);
  expect(out.trim().split("\n").toSorted()).toEqual([
    "A=vault:secret/db#user",
    `PATH=${process.env["PATH"]}`,
    "VAULT_ADDR=https://vault",
  ]);
});

test("broken references are told before anybody is waited for, and no value is repeated", async () => {
  const started = await start(["env"], {
    ...settingsFor(vault),
    A: "vault:hush",
    B: "x${vault:hush/x#y",
    C: "vault:v1:aHVzaA==",
  });
  const { code, err } = await ended(started);
  expect(code).toBe(220);
  expect(err).toMatch(
    /A: must name a key.*B: must close.*VAULT_TRANSIT_KEY_ID: is required to decrypt what C/,
  );
  expect(err).not.toMatch(/hush|aHVzaA/);
  expect(vault.paths()).toEqual([]);
});
