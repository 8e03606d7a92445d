// The real process with a public key: what it takes, what it refuses, and that a delivery counts on one channel only.

import { connect as connectTls } from "node:tls";
import { once } from "node:events";
import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  accessorHash,
  generateSigningKey,
  publicPem,
  SecretBytes,
  familyKey,
  writeDelivery,
} from "@vaultbuddy/common";
import type { Delivery } from "@vaultbuddy/common";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { exits } from "../exit.ts";
import { FakeVault } from "./fake-vault.ts";
import {
  certificateOn,
  channelOptions,
  deliveryFor,
  KEY,
  PAIR,
  post,
  publicSettingsFor,
  scratch,
  settingsFor,
  sign,
  start,
} from "./harness.ts";

let vault: FakeVault;
const unproven = { key: "unproven" } as const;

beforeEach(async () => {
  vault = await new FakeVault().start();
  vault.secrets.set("secret/web", { A: "1" });
  vault.mint("wrap-1");
});

afterEach(() => vault.stop());

const good = (changes: Partial<Pick<Delivery, "tls" | "vault">> = {}) =>
  deliveryFor(vault, "wrap-1", {
    secrets: { paths: ["secret/web"], env: new Map() },
    ...changes,
  });

describe("a container with the broker's public key", () => {
  test("takes a delivery that names its certificate, and becomes the command", async () => {
    const started = await start(
      ["sh", "-c", "echo A=$A; env"],
      publicSettingsFor(vault),
    );
    const port = await started.port();
    const tls = await certificateOn(port);
    const answer = await post(port, sign(good({ tls }), [PAIR]), unproven);
    expect(answer).toMatchObject({
      status: 200,
      body: { accessor: "accessor-of-wrap-1" },
    });
    expect(await started.ended).toBe(0);
    expect(started.out()).toContain("A=1\n");
    expect(started.out()).not.toContain("WIS_");
  });

  test("takes Vault's address from it when it has none of its own, and refuses another when it has", async () => {
    const { VAULT_ADDR: _, ...rest } = publicSettingsFor(vault);
    const trusting = await start(["echo", "ran"], rest);
    const port = await trusting.port();
    const tls = await certificateOn(port);
    expect(
      await post(port, sign(good({ tls }), [PAIR]), unproven),
    ).toMatchObject({ status: 200 });
    expect(await trusting.ended).toBe(0);

    const told = await start(["echo", "ran"], publicSettingsFor(vault));
    const other = await told.port();
    const elsewhere = good({
      tls: await certificateOn(other),
      vault: { addr: "https://vault.evil" },
    });
    expect(await post(other, sign(elsewhere, [PAIR]), unproven)).toMatchObject({
      status: 403,
      body: { code: "wrong_vault" },
    });
    told.child.kill();
  });

  test("reads it from a file as PEM too, and takes any one of several signatures", async () => {
    const { WIS_PUBLIC_KEY: _, ...rest } = publicSettingsFor(vault);
    const file = join(scratch, "broker.pub.pem");
    writeFileSync(file, publicPem(PAIR));
    const started = await start(["true"], {
      ...rest,
      WIS_PUBLIC_KEY_FILE: file,
    });
    const port = await started.port();
    const tls = await certificateOn(port);
    const body = sign(good({ tls }), [generateSigningKey(), KEY, PAIR]);
    expect(await post(port, body, unproven)).toMatchObject({ status: 200 });
    expect(await started.ended).toBe(0);
  });

  test("makes another certificate each time it starts", async () => {
    const seen = new Set<string>();
    for (let count = 0; count < 2; count += 1) {
      const started = await start(["true"], publicSettingsFor(vault));
      const port = await started.port();
      seen.add(await certificateOn(port));
      seen.add(await certificateOn(port));
      started.child.kill();
    }
    expect(seen.size).toBe(2);
  });

  test("speaks with nobody over TLS 1.2, in the clear, or by a family's key", async () => {
    const started = await start(["true"], publicSettingsFor(vault));
    const port = await started.port();
    const old = connectTls({
      host: "127.0.0.1",
      port,
      rejectUnauthorized: false,
      maxVersion: "TLSv1.2",
    });
    await expect(once(old, "secureConnect")).rejects.toThrow();
    await expect(post(port, "x", { plain: true })).rejects.toThrow();
    const keyed = connectTls({
      host: "127.0.0.1",
      port,
      ...channelOptions(KEY),
    });
    await expect(once(keyed, "secureConnect")).rejects.toThrow();
    started.child.kill();
  });

  test("waits on after what nobody could have signed, and after strays", async () => {
    const started = await start(["echo", "ran"], publicSettingsFor(vault));
    const port = await started.port();
    const tls = await certificateOn(port);
    const forgedWithPublicKey = familyKey(new SecretBytes(PAIR.raw));
    for (const body of [
      sign(good({ tls }), [generateSigningKey()]),
      sign(good({ tls }), [forgedWithPublicKey]),
      sign(good({ tls }), [KEY]),
      hs256(good({ tls }), PAIR.kid, PAIR.raw),
      hs256(good({ tls }), PAIR.kid, Buffer.from(publicPem(PAIR))),
    ]) {
      expect(await post(port, body, unproven)).toMatchObject({
        status: 401,
        body: { code: "bad_signature" },
      });
    }
    expect(
      await post(port, "", { ...unproven, method: "GET", path: "/healthz" }),
    ).toMatchObject({ status: 422 });
    expect(vault.paths()).toEqual([]);
    expect(
      await post(port, sign(good({ tls }), [PAIR]), unproven),
    ).toMatchObject({ status: 200 });
    expect(await started.ended).toBe(0);
  });
});

/** A JWS by HS256 under any kid and with any bytes for a key: an attacker's, who knows the public key. */
function hs256(delivery: Delivery, kid: string, key: Uint8Array): Buffer {
  const head = Buffer.from(JSON.stringify({ alg: "HS256", kid })).toString(
    "base64url",
  );
  const payload = writeDelivery(delivery).toString("base64url");
  const signature = createHmac("sha256", key)
    .update(`${head}.${payload}`)
    .digest("base64url");
  return Buffer.from(
    JSON.stringify({ payload, signatures: [{ protected: head, signature }] }),
  );
}

describe("a delivery by the right broker", () => {
  test("for another channel is an alarm: it is refused, waited after, and told at the end", async () => {
    const started = await start(["true"], {
      ...publicSettingsFor(vault),
      WIS_TIMEOUT: "1s",
    });
    const port = await started.port();
    const elsewhere = good({ tls: accessorHash("the middle's certificate") });
    expect(await post(port, sign(elsewhere, [PAIR]), unproven)).toMatchObject({
      status: 403,
      body: { code: "not_for_me" },
    });
    expect(await started.ended).toBe(exits.not_for_me.code);
    expect(started.err()).toMatch(/error: .*refused/);
    expect(started.err()).toContain("somebody stands between");
    expect(vault.paths()).toEqual([]);
  });

  test("that names no certificate is refused, and so is one that does where there is none", async () => {
    const started = await start(["true"], publicSettingsFor(vault));
    const port = await started.port();
    expect(await post(port, sign(good(), [PAIR]), unproven)).toMatchObject({
      status: 422,
      body: { code: "bad_delivery" },
    });
    started.child.kill();

    const plain = await start(["true"], {
      ...publicSettingsFor(vault),
      WIS_PLAINTEXT: "allow",
    });
    const at = await plain.port();
    const tls = accessorHash("any");
    expect(
      await post(at, sign(good({ tls }), [PAIR]), { plain: true }),
    ).toMatchObject({ status: 422, body: { code: "bad_delivery" } });
    expect(await post(at, sign(good(), [PAIR]), { plain: true })).toMatchObject(
      { status: 200 },
    );
    expect(await plain.ended).toBe(0);
  });

  test("by Ed25519 is nothing to a container with a family's key", async () => {
    const started = await start(["true"], {
      ...settingsFor(vault),
      WIS_STRAY: "reject",
    });
    const port = await started.port();
    expect(await post(port, sign(good(), [PAIR]))).toMatchObject({
      status: 401,
    });
    started.child.kill();
  });
});

test("both keys, or the private half of a pair, are told as faults at the start", async () => {
  const both = await start(["true"], {
    ...publicSettingsFor(vault),
    WIS_HMAC_KEY: settingsFor(vault)["WIS_HMAC_KEY"] ?? "",
  });
  expect(await both.ended).toBe(exits.settings.code);
  expect(both.err()).toContain("only one of them may be set");
});
