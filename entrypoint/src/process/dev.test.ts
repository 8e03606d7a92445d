// The real process where a developer sends the values: what it takes, that it takes nothing else, and that no container
// takes plain pairs which was not told to.

import {
  publicJwk,
  Secret,
  signJws,
  writeDelivery,
  writePlainDelivery,
} from "@vaultbuddy/common";
import type { PlainDelivery } from "@vaultbuddy/common";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { exits } from "../exit.ts";
import { FakeVault } from "./fake-vault.ts";
import {
  deliveryFor,
  KEY,
  KEY_TEXT,
  OTHER_KEY,
  PAIR,
  post,
  publicSettingsFor,
  settingsFor,
  sign,
  start,
  TASK,
} from "./harness.ts";
import type { Started } from "./harness.ts";

const settings: Record<string, string> = {
  PATH: process.env["PATH"] ?? "",
  WIS_MODE: "dev",
  WIS_LISTEN: "127.0.0.1:0",
  WIS_HMAC_KEY: KEY_TEXT,
  WIS_LOG_LEVEL: "debug",
  WIS_TIMEOUT: "10s",
};

function pairs(changes: Partial<PlainDelivery> = {}): Buffer {
  const now = Math.floor(Date.now() / 1000);
  return writePlainDelivery({
    jti: "delivery-0001",
    iat: now,
    exp: now + 60,
    aud: {},
    env: new Map([["PASSWORD", new Secret("marked secret")]]),
    ...changes,
  });
}
const signed = (changes: Partial<PlainDelivery> = {}): Buffer =>
  sign(pairs(changes));

const SHOW = ["sh", "-c", 'echo "$PASSWORD|$A|$DB_URL"; env'];

describe("a container with WIS_MODE=dev", () => {
  test("takes pairs once, becomes the command with them, and says no value", async () => {
    const started = await start(SHOW, { ...settings, A: "given" });
    const answer = await post(await started.port(), signed());
    expect(answer).toMatchObject({
      status: 200,
      body: { jti: "delivery-0001" },
    });
    expect(answer.body).not.toHaveProperty("accessor");
    expect(await started.ended).toBe(0);
    expect(started.out()).toMatch(/^marked secret\|given\|\n/);
    expect(started.out()).not.toContain("WIS_");
    expect(started.err()).toContain("WIS_MODE=dev: whoever holds the key");
    expect(started.err()).not.toContain("marked");
  });

  test("gives the command references to Vault as they are, and says which", async () => {
    const started = await start(SHOW, {
      ...settings,
      A: "vault:secret/web#a",
      DB_URL: "vault:secret/db#url",
      WIS_FILES: "[]",
    });
    await post(
      await started.port(),
      signed({ env: new Map([["DB_URL", new Secret("sent")]]) }),
    );
    expect(await started.ended).toBe(0);
    expect(started.out()).toMatch(/^\|vault:secret\/web#a\|sent\n/);
    expect(started.err()).toContain("as they are variables=A\n");
    expect(started.err()).toContain("the files of WIS_FILES are not written");
  });

  /** What it answers, while it goes on waiting; then it is given what is right. */
  async function refuses(
    env: Record<string, string>,
    body: Buffer,
    then: Partial<PlainDelivery> = {},
  ): Promise<{ code: string | undefined; started: Started }> {
    const started = await start(["true"], { ...settings, ...env });
    const port = await started.port();
    const { body: answer } = await post(port, body);
    expect((await post(port, signed(then))).status).toBe(200);
    expect(await started.ended).toBe(0);
    return { code: answer.code, started };
  }

  const now = (): number => Math.floor(Date.now() / 1000);
  const told = { WIS_TASK_ARN: TASK, WIS_CONTAINER_NAME: "web" };
  const aud = { taskArn: TASK, containerName: "web" };
  test.each<
    [
      string,
      string,
      Record<string, string>,
      () => Buffer,
      Partial<PlainDelivery>,
    ]
  >([
    [
      "another key's pairs",
      "bad_signature",
      {},
      () => signJws(pairs(), [OTHER_KEY]),
      {},
    ],
    [
      "old pairs",
      "expired",
      {},
      () => signed({ iat: now() - 100, exp: now() - 40 }),
      {},
    ],
    [
      "pairs for another container",
      "not_for_me",
      told,
      () => signed({ aud: { ...aud, containerName: "db" } }),
      { aud },
    ],
    [
      "pairs for nobody where it knows who it is",
      "not_for_me",
      told,
      () => signed(),
      { aud },
    ],
    [
      "pairs for somebody where it does not know",
      "not_for_me",
      {},
      () => signed({ aud }),
      {},
    ],
    ["what is no JSON", "bad_delivery", {}, () => sign(Buffer.from("[")), {}],
  ])(
    "refuses %s as %s and goes on waiting",
    async (_name, code, env, body, then) => {
      expect((await refuses(env, body(), then)).code).toBe(code);
    },
  );

  test("takes no broker's delivery, though it is signed with the key", async () => {
    const vault = await new FakeVault().start();
    try {
      vault.mint("wrap-1");
      const { code } = await refuses(
        { VAULT_ADDR: vault.addr },
        sign(writeDelivery(deliveryFor(vault, "wrap-1"))),
      );
      expect(code).toBe("bad_delivery");
      expect(vault.requests).toEqual([]);
    } finally {
      vault.stop();
    }
  });

  test("ends when nobody sends anything", async () => {
    const started = await start(["true"], {
      ...settings,
      WIS_TIMEOUT: "200ms",
    });
    expect(await started.ended).toBe(exits.timeout.code);
    expect(started.err()).toContain("run vaultbuddy-entrypoint send");
  });

  test("with WIS_STRAY=exit ends for what it refuses", async () => {
    const started = await start(["true"], { ...settings, WIS_STRAY: "exit" });
    const port = await started.port();
    expect((await post(port, signed({ aud }))).status).toBe(403);
    expect(await started.ended).toBe(exits.not_for_me.code);
  });

  test.each<[string, Record<string, string>, RegExp]>([
    [
      "inside ECS",
      { ECS_CONTAINER_METADATA_URI_V4: "http://169.254.170.2/v4/x" },
      /WIS_MODE: dev .*not for a container of ECS/,
    ],
    ["in plain text", { WIS_PLAINTEXT: "allow" }, /WIS_PLAINTEXT: cannot/],
    ["without a key", { WIS_HMAC_KEY: "" }, /WIS_HMAC_KEY/],
  ])("does not start %s", async (_name, env, fault) => {
    const started = await start(["true"], { ...settings, ...env });
    expect(await started.ended).toBe(exits.settings.code);
    expect(started.err()).toMatch(fault);
  });

  test("does not start with a public key: only a broker could sign", async () => {
    const { WIS_HMAC_KEY: _, ...rest } = settings;
    const started = await start(["true"], {
      ...rest,
      WIS_PUBLIC_KEY: publicJwk(PAIR),
    });
    expect(await started.ended).toBe(exits.settings.code);
    expect(started.err()).toContain("dev needs WIS_HMAC_KEY");
  });
});

describe("a container that was not told to take plain pairs", () => {
  let vault: FakeVault;
  beforeEach(async () => {
    vault = await new FakeVault().start();
  });
  afterEach(() => vault.stop());

  test("refuses them, whoever signed them, and asks Vault nothing", async () => {
    const started = await start(["env"], settingsFor(vault));
    const aud = { taskArn: TASK, containerName: "web", containerId: "abc" };
    const answer = await post(await started.port(), signed({ aud }));
    expect(answer.body.code).toBe("bad_delivery");
    expect(await started.ended).toBe(exits.bad_delivery.code);
    expect(started.out() + started.err()).not.toContain("marked");
  });

  test("nor does the broker's own signature open that way", async () => {
    const started = await start(["env"], {
      ...publicSettingsFor(vault),
      WIS_PLAINTEXT: "allow",
      WIS_STRAY: "exit",
    });
    const answer = await post(
      await started.port(),
      sign(pairs(), [PAIR, KEY]),
      {
        plain: true,
      },
    );
    expect(answer.body.code).toBe("bad_delivery");
    expect(await started.ended).toBe(exits.bad_delivery.code);
  });
});
