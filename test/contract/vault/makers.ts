// The contract's part about engines that make something with every question: certificates, ciphertexts, credentials of a
// database; and about the leases that hang on a token.

import { createPrivateKey, X509Certificate } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { at } from "./client.ts";
import { denied, listed } from "./setup.ts";
import type { Asker, Subject } from "./setup.ts";

type Get = () => { vault: Asker; subject: Subject };

export function makerContract(get: Get): void {
  transitContract(get);
  pkiContract(get);
  leaseContract(get);
  databaseContract(get);
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const textAt = (answer: unknown, path: string): string =>
  String(at(answer, path));

function transitContract(get: Get): void {
  describe("transit", () => {
    const post = (path: string, body: unknown = {}): Promise<unknown> =>
      get().vault.done("POST", `transit/${path}`, { body });
    const encrypt = async (key: string, text: string): Promise<string> =>
      textAt(
        await post(`encrypt/${key}`, { plaintext: base64(text) }),
        "data.ciphertext",
      );
    beforeAll(async () => {
      await get().vault.done("POST", "sys/mounts/transit", {
        body: { type: "transit" },
      });
      await post("keys/web");
    });

    test("a key encrypts, and decrypts what it has encrypted", async () => {
      const ciphertext = await encrypt("web", "hush");
      expect(ciphertext).toMatch(/^vault:v1:[A-Za-z0-9+/]+={0,2}$/);
      const answer = await post("decrypt/web", { ciphertext });
      expect(at(answer, "data")).toEqual({ plaintext: base64("hush") });
      expect(at(answer, "lease_id")).toBe("");
      expect(await encrypt("web", "hush")).not.toBe(ciphertext);
    });

    test("a batch is answered item by item, and one that fails does not spoil the others", async () => {
      const ciphertext = await encrypt("web", "hush");
      const empty = await encrypt("web", "");
      const answer = await get().vault.ask("POST", "transit/decrypt/web", {
        body: {
          batch_input: [
            { ciphertext },
            { ciphertext: "hush" },
            { ciphertext: empty },
            {},
          ],
        },
      });
      // 400 since Vault 1.12.
      expect([200, 400]).toContain(answer.status);
      const results = at(answer.json, "data.batch_results") as unknown[];
      expect(results).toMatchObject([
        { plaintext: base64("hush") },
        { error: "invalid ciphertext: no prefix" },
        { plaintext: "" },
        { error: "missing ciphertext to decrypt" },
      ]);
    });

    test("what no key or no version of it has made is refused", async () => {
      const { vault } = get();
      const refused = (key: string, body: unknown, error: string) =>
        vault.refused("POST", `transit/decrypt/${key}`, 400, error, { body });
      const ciphertext = await encrypt("web", "hush");
      await refused("none", { ciphertext }, "encryption key not found");
      await refused("web", {}, "missing ciphertext to decrypt");
      await refused(
        "web",
        { batch_input: [] },
        "missing batch input to process",
      );
      await refused(
        "web",
        { ciphertext: ciphertext.replace("v1", "v7") },
        "invalid ciphertext: version is too new",
      );
      await post("keys/other");
      const other = await vault.ask("POST", "transit/decrypt/other", {
        body: { ciphertext },
      });
      expect(other.status).toBe(400);
      expect(textAt(other.json, "errors")).toContain(
        "message authentication failed",
      );
      await vault.refused(
        "POST",
        "transit/encrypt/web",
        400,
        "missing plaintext to encrypt",
        { body: {} },
      );
    });

    test("a key that was rotated still decrypts what is old, until it is told not to", async () => {
      const { vault } = get();
      await post("keys/turning");
      const old = await encrypt("turning", "hush");
      await post("keys/turning/rotate");
      expect(await encrypt("turning", "hush")).toMatch(/^vault:v2:/);
      await post("decrypt/turning", { ciphertext: old });
      await post("keys/turning/config", { min_decryption_version: 2 });
      await vault.refused(
        "POST",
        "transit/decrypt/turning",
        400,
        "ciphertext or signature version is disallowed by policy (too old)",
        { body: { ciphertext: old } },
      );
      const key = await vault.done("GET", "transit/keys/turning");
      expect(at(key, "data")).toMatchObject({
        name: "turning",
        type: "aes256-gcm96",
        latest_version: 2,
        min_decryption_version: 2,
        deletion_allowed: false,
      });
    });

    test("encrypting makes a key that is not there, where the policy lets it be made", async () => {
      const { vault } = get();
      await vault.policy(
        "encrypts",
        'path "transit/encrypt/*" { capabilities = ["update"] }',
      );
      const { id } = await vault.token({ policies: ["encrypts"] });
      const body = { plaintext: base64("hush") };
      await vault.refused("POST", "transit/encrypt/fresh", 403, denied, {
        token: id,
        body,
      });
      await post("encrypt/fresh", body);
      await vault.done("POST", "transit/encrypt/fresh", { token: id, body });
    });
  });
}

function pkiContract(get: Get): void {
  describe("certificates", () => {
    const issue = async (role: string, body: unknown): Promise<unknown> =>
      at(await get().vault.done("POST", `pki/issue/${role}`, { body }), "data");
    let root: X509Certificate;
    beforeAll(async () => {
      const { vault } = get();
      await vault.done("POST", "sys/mounts/pki", {
        body: { type: "pki", config: { max_lease_ttl: "48h" } },
      });
      await vault.refused("POST", "pki/issue/web", 400, "unknown role: web", {
        body: { common_name: "a.example" },
      });
      await vault.done("POST", "pki/roles/web", {
        body: {
          allowed_domains: "example",
          allow_subdomains: true,
          key_type: "ec",
          key_bits: 256,
          max_ttl: "1h",
        },
      });
      const made = await vault.done("POST", "pki/root/generate/internal", {
        body: { common_name: "the root", key_type: "ec", key_bits: 256 },
      });
      expect(at(made, "data")).not.toHaveProperty("private_key");
      root = new X509Certificate(textAt(made, "data.certificate"));
    });

    test("what is issued is signed by the root, holds for its names and comes with its key", async () => {
      const data = await issue("web", {
        common_name: "a.example",
        alt_names: "b.example, c.example",
        ip_sans: "10.0.0.7,2001:db8::7",
        ttl: "10m",
      });
      const certificate = new X509Certificate(textAt(data, "certificate"));
      expect(root.ca).toBe(true);
      expect(certificate.ca).toBe(false);
      expect(certificate.verify(root.publicKey)).toBe(true);
      expect(certificate.checkIssued(root)).toBe(true);
      expect(
        certificate.checkPrivateKey(
          createPrivateKey(textAt(data, "private_key")),
        ),
      ).toBe(true);
      for (const name of ["a.example", "b.example", "c.example"])
        expect(certificate.checkHost(name)).toBe(name);
      expect(certificate.checkIP("10.0.0.7")).toBe("10.0.0.7");
      expect(certificate.checkIP("2001:db8::7")).toBe("2001:db8::7");
      expect(certificate.checkHost("d.example")).toBeUndefined();
      expect(textAt(data, "private_key_type")).toBe("ec");
      expect(textAt(data, "serial_number").replaceAll(":", "")).toBe(
        certificate.serialNumber.toLowerCase(),
      );
      const life =
        Date.parse(certificate.validTo) - Date.parse(certificate.validFrom);
      // Ten minutes, and the half minute for clocks that differ.
      expect(life / 1000).toBe(630);
      expect(Number(at(data, "expiration"))).toBe(
        Date.parse(certificate.validTo) / 1000,
      );
      expect(new X509Certificate(textAt(data, "issuing_ca")).raw).toEqual(
        root.raw,
      );
    });

    test("a role's longest time holds, and names that it does not allow are refused", async () => {
      const { vault } = get();
      const data = await issue("web", { common_name: "a.example", ttl: "5h" });
      const certificate = new X509Certificate(textAt(data, "certificate"));
      expect(
        (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) /
          1000,
      ).toBe(3630);
      const refused = (body: unknown, error: string) =>
        vault.refused("POST", "pki/issue/web", 400, error, { body });
      await refused(
        { common_name: "a.elsewhere" },
        "common name a.elsewhere not allowed by this role",
      );
      await refused(
        { common_name: "example" },
        "common name example not allowed by this role",
      );
      await refused(
        { common_name: "a.example", alt_names: "b.elsewhere" },
        "subject alternate name b.elsewhere not allowed by this role",
      );
      await refused(
        { common_name: "a.example", ip_sans: "10.0.0" },
        'the value "10.0.0" is not a valid IP address',
      );
      await refused(
        { common_name: "a.example", format: "txt" },
        'the "format" path parameter must be "pem", "der", or "pem_bundle"',
      );
      await refused(
        {},
        'the common_name field is required, or must be provided in a CSR with "use_csr_common_name" set to true, unless "require_cn" is set to false',
      );
    });

    test("only the token's policy decides who may have one, and everybody may have the authority's", async () => {
      const { vault } = get();
      const { id } = await vault.token({ policies: ["default"] });
      await vault.refused("POST", "pki/issue/web", 403, denied, {
        token: id,
        body: { common_name: "a.example" },
      });
      const pem = await vault.ask("GET", "pki/ca/pem", { token: null });
      expect(new X509Certificate(pem.text).raw).toEqual(root.raw);
    });

    test("there is no certificate without a root", async () => {
      const { vault, subject } = get();
      await vault.done("POST", "sys/mounts/rootless", {
        body: { type: "pki" },
      });
      await vault.done("POST", "rootless/roles/web", {
        body: { allow_any_name: true },
      });
      const answer = await vault.ask("POST", "rootless/issue/web", {
        body: { common_name: "a.example" },
      });
      expect([400, 500]).toContain(answer.status);
      if (subject.ours)
        expect(answer.json).toEqual({
          errors: [
            listed(
              "could not fetch the CA certificate (was one set?): backend must be configured with a CA certificate/key",
            ),
          ],
        });
    });
  });
}

function leaseContract(get: Get): void {
  describe("leases", () => {
    interface Leased {
      readonly id: string;
      readonly seconds: number;
    }
    const lookup = (id: string) =>
      get().vault.ask("PUT", "sys/leases/lookup", { body: { lease_id: id } });
    const lease = async (token: string): Promise<Leased> => {
      const answer = await get().vault.done("POST", "pki/issue/leased", {
        token,
        body: { common_name: "a.example", ttl: "20m" },
      });
      expect(at(answer, "renewable")).toBe(false);
      return {
        id: textAt(answer, "lease_id"),
        seconds: Number(at(answer, "lease_duration")),
      };
    };
    beforeAll(async () => {
      const { vault } = get();
      await vault.done("POST", "pki/roles/leased", {
        body: { allow_any_name: true, key_type: "ec", generate_lease: true },
      });
      await vault.policy(
        "leasing",
        'path "pki/issue/leased" { capabilities = ["update"] }',
      );
    });
    const someToken = () =>
      get().vault.token({ policies: ["leasing"], no_parent: true });

    test("a lease is named after its path, and says how long it is", async () => {
      const { id } = await someToken();
      const { id: leaseId, seconds } = await lease(id);
      expect(leaseId).toMatch(/^pki\/issue\/leased\/\w{24}$/);
      expect(seconds).toBeGreaterThan(1195);
      expect(seconds).toBeLessThanOrEqual(1200);
      const { json } = await lookup(leaseId);
      expect(at(json, "data")).toMatchObject({
        id: leaseId,
        renewable: false,
        last_renewal: null,
      });
      expect(Number(at(json, "data.ttl"))).toBeGreaterThan(1190);
      const keys = await get().vault.done(
        "LIST",
        "sys/leases/lookup/pki/issue/leased",
      );
      expect(at(keys, "data.keys")).toContain(leaseId.split("/").at(-1));
    });

    test("it ends when it is revoked, and with its token, and not before", async () => {
      const { vault } = get();
      const [one, other] = [await someToken(), await someToken()];
      const [a, b, c] = [
        await lease(one.id),
        await lease(one.id),
        await lease(other.id),
      ];
      await vault.done("PUT", "sys/leases/revoke", {
        body: { lease_id: a.id, sync: true },
      });
      const status = async (id: string) => (await lookup(id)).status;
      expect(await status(a.id)).toBe(400);
      expect(await status(b.id)).toBe(200);
      await vault.done("POST", "auth/token/revoke-self", { token: one.id });
      await gone(b.id);
      expect(await status(c.id)).toBe(200);
      await vault.refused("PUT", "sys/leases/lookup", 400, "invalid lease", {
        body: { lease_id: b.id },
      });
    });

    /** A real Vault ends them a moment later. */
    const gone = async (id: string): Promise<void> => {
      for (let look = 0; look < 20; look += 1) {
        if ((await lookup(id)).status === 400) return;
        await get().subject.pause(100);
      }
      expect.unreachable("the lease still lives");
    };

    test("one that cannot be renewed is not, and an unknown one is not found", async () => {
      const { vault } = get();
      const { id } = await lease((await someToken()).id);
      const refused = (body: unknown, error: string) =>
        vault.refused("PUT", "sys/leases/renew", 400, error, { body });
      await refused({ lease_id: id }, "lease is not renewable");
      await refused({ lease_id: "pki/issue/leased/none" }, "lease not found");
      await refused({}, "lease_id must be specified");
      await vault.refused("PUT", "sys/leases/lookup", 400, "invalid lease", {
        body: { lease_id: "pki/issue/leased/none" },
      });
    });

    test("revoking a prefix takes every lease below it", async () => {
      const { vault } = get();
      const { id } = await lease((await someToken()).id);
      await vault.done("PUT", "sys/leases/revoke-prefix/pki/issue/leased", {
        body: { sync: true },
      });
      await gone(id);
    });
  });
}

function databaseContract(get: Get): void {
  // A real one needs a database.
  describe.skipIf(process.env["VAULT_ADDR"] !== undefined)("databases", () => {
    beforeAll(async () => {
      const { vault } = get();
      await vault.done("POST", "sys/mounts/database", {
        body: { type: "database" },
      });
      await vault.done("POST", "database/config/shop", {
        body: {
          plugin_name: "postgresql-database-plugin",
          allowed_roles: "web,short",
          connection_url: "postgresql://{{username}}:{{password}}@db/shop",
        },
      });
      for (const [name, ttl] of [
        ["web", "1h"],
        ["short", "10s"],
        ["foreign", "1h"],
      ])
        await vault.done("POST", `database/roles/${name}`, {
          body: {
            db_name: "shop",
            creation_statements: ["CREATE ROLE"],
            default_ttl: ttl,
            max_ttl: "2h",
          },
        });
    });

    test("every read makes another user, under a lease of its own", async () => {
      const { vault } = get();
      const one = await vault.done("GET", "database/creds/web");
      const other = await vault.done("GET", "database/creds/web");
      expect(textAt(one, "data.username")).toMatch(
        /^v-token-web-\w{20}-\d{10}$/,
      );
      expect(textAt(one, "data.password")).toMatch(/^A1a-\w{16}$/);
      expect(at(one, "data.username")).not.toBe(at(other, "data.username"));
      expect(at(one, "lease_id")).not.toBe(at(other, "lease_id"));
      expect(one).toMatchObject({ renewable: true, lease_duration: 3600 });
    });

    test("a lease is renewed for as long as is asked and the role allows, and then no more", async () => {
      const { vault, subject } = get();
      const made = await vault.done("GET", "database/creds/web");
      const id = textAt(made, "lease_id");
      const renew = (increment?: number) =>
        vault.done("PUT", "sys/leases/renew", {
          body: { lease_id: id, ...(increment && { increment }) },
        });
      expect(await renew(60)).toMatchObject({
        lease_id: id,
        renewable: true,
        lease_duration: 60,
        data: null,
      });
      expect(await renew()).toMatchObject({ lease_duration: 3600 });
      const most = await renew(36_000);
      expect(Number(at(most, "lease_duration"))).toBeGreaterThan(7190);
      expect(textAt(most, "warnings")).toContain(
        'TTL of "10h" exceeded the effective max_ttl',
      );
      await subject.pause(7_210_000);
      await vault.refused("PUT", "sys/leases/renew", 400, "lease not found", {
        body: { lease_id: id },
      });
    });

    test("a lease ends with its time, and with its token's", async () => {
      const { vault, subject } = get();
      await vault.policy(
        "creds",
        'path "database/creds/*" { capabilities = ["read"] }',
      );
      const { id: token } = await vault.token({
        policies: ["creds"],
        ttl: "60s",
      });
      const leaseOf = async (role: string) =>
        textAt(
          await vault.done("GET", `database/creds/${role}`, { token }),
          "lease_id",
        );
      const [short, long] = [await leaseOf("short"), await leaseOf("web")];
      const status = async (lease: string) =>
        (
          await vault.ask("PUT", "sys/leases/lookup", {
            body: { lease_id: lease },
          })
        ).status;
      await subject.pause(11_000);
      expect([await status(short), await status(long)]).toEqual([400, 200]);
      await subject.pause(60_000);
      expect(await status(long)).toBe(400);
    });

    test("unknown roles, roles that the connection does not allow and lost connections are refused", async () => {
      const { vault } = get();
      await vault.refused(
        "GET",
        "database/creds/none",
        400,
        "unknown role: none",
      );
      await vault.refused(
        "GET",
        "database/creds/foreign",
        500,
        listed('"foreign" is not an allowed role'),
      );
      await vault.refused(
        "POST",
        "database/roles/odd",
        400,
        "database name is required",
        { body: {} },
      );
      await vault.refused(
        "POST",
        "database/config/odd",
        400,
        "empty plugin name",
        { body: {} },
      );
    });
  });
}
