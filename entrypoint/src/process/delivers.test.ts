// The real process, from its start to the command it becomes: everything goes well.

import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeVault } from "./fake-vault.ts";
import {
  deliveryFor,
  post,
  scratch,
  freePort,
  settingsFor,
  sign,
  start,
  TASK,
} from "./harness.ts";

const pem = (name: string): string =>
  readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url), "utf8");

let vault: FakeVault;

beforeEach(async () => {
  vault = await new FakeVault().start();
  vault.mint("wrap-1");
});

afterEach(() => vault.stop());

const variables = (text: string): Record<string, string> =>
  Object.fromEntries(
    text
      .trim()
      .split("\n")
      .map((line) => line.split(/=(.*)/s).slice(0, 2)),
  );

test("a delivery becomes variables of the command, and nothing else does", async () => {
  vault.secrets.set("secret/web", { DB_USER: "app", DB_PORT: 5432 });
  vault.secrets.set("kv1/db", { password: "p#1", other: "x" });
  const started = await start(["--", "env"], {
    ...settingsFor(vault),
    WIS_LOG_LEVEL: "info",
    KEPT: "as it was",
    DB_USER: "an image's default",
    VAULT_TOKEN: "never handed on",
  });
  const answer = await post(
    await started.port(),
    sign(
      deliveryFor(vault, "wrap-1", {
        secrets: {
          paths: ["secret/web"],
          env: new Map([["DB_PASSWORD", "kv1/db#password"]]),
        },
      }),
    ),
  );
  expect(answer).toEqual({
    status: 200,
    type: "application/json",
    body: { jti: "delivery-0001", accessor: "accessor-of-wrap-1" },
  });
  expect(await started.ended, started.err()).toBe(0);
  expect(variables(started.out())).toEqual({
    DB_PASSWORD: "p#1",
    DB_PORT: "5432",
    DB_USER: "app",
    KEPT: "as it was",
    PATH: process.env["PATH"],
  });
  expect(vault.paths().slice(0, 2)).toEqual([
    "sys/wrapping/lookup",
    "sys/wrapping/unwrap",
  ]);
  // Its token has done its work and is the last that Vault hears of.
  expect(vault.paths().at(-1)).toBe("auth/token/revoke-self");
  expect(vault.paths().slice(2, -1).toSorted()).toEqual([
    "auth/token/renew-self",
    "kv1/db",
    "secret/data/web",
    "sys/internal/ui/mounts/kv1/db",
    "sys/internal/ui/mounts/secret/web",
  ]);
  const renewal = vault.requests.find(({ path }) =>
    path.endsWith("renew-self"),
  );
  expect(renewal?.body).toBe('{"increment":3600}');
});

test("at the default level nothing is said when all goes well", async () => {
  const port = await freePort();
  const started = await start(["echo", "ran"], {
    ...settingsFor(vault),
    WIS_LISTEN: `127.0.0.1:${port}`,
    WIS_LOG_LEVEL: "",
  });
  const body = sign(deliveryFor(vault, "wrap-1"));
  for (;;) {
    const answer = await post(port, body).catch(() => pause(25));
    if (answer !== undefined) {
      expect(answer.status).toBe(200);
      break;
    }
  }
  expect(await started.ended).toBe(0);
  expect(started.out()).toBe("ran\n");
  expect(started.err()).toBe("");
});

test("the container's own paths beat the delivery's env, and that beats its paths", async () => {
  vault.secrets.set("secret/web", { A: "web", B: "web", C: "web" });
  vault.secrets.set("secret/own", { A: "own", D: "own" });
  vault.secrets.set("secret/db", { k: "db" });
  const started = await start(["env"], {
    ...settingsFor(vault),
    WIS_SECRETS: "secret/own, secret/web-2",
  });
  vault.secrets.set("secret/web-2", { E: "12345678901234567890", F: false });
  vault.override("secret/data/web-2", (_seen, response) => {
    response.end(
      '{"data":{"data":{"E":12345678901234567890,"F":[1.0,{"a":null}]}}}',
    );
    return "answered";
  });
  await post(
    await started.port(),
    sign(
      deliveryFor(vault, "wrap-1", {
        secrets: {
          paths: ["secret/web"],
          env: new Map([
            ["A", "secret/db#k"],
            ["B", "secret/db#k"],
          ]),
        },
      }),
    ),
  );
  expect(await started.ended, started.err()).toBe(0);
  expect(variables(started.out())).toMatchObject({
    A: "own",
    B: "db",
    C: "web",
    D: "own",
    E: "12345678901234567890",
    F: '[1.0,{"a":null}]',
  });
  const mounts = vault.paths().filter((path) => path.includes("mounts"));
  expect(mounts).toHaveLength(1);
  const reads = vault.paths().filter((path) => path === "secret/data/db");
  expect(reads).toHaveLength(1);
});

test("Vault is reached over TLS with the CAs of VAULT_CACERT and in VAULT_NAMESPACE", async () => {
  const secure = await new FakeVault({
    key: pem("vault-key"),
    cert: pem("vault-cert"),
  }).start();
  secure.secrets.set("secret/web", { A: "1" });
  secure.mint("wrap-1");
  const ca = join(scratch, "ca.pem");
  writeFileSync(ca, pem("vault-cert"));
  const started = await start(["env"], {
    ...settingsFor(secure),
    VAULT_ADDR: secure.addr.replace("https", "HTTPS") + "/",
    VAULT_CACERT: ca,
    VAULT_NAMESPACE: "team",
  });
  const delivery = deliveryFor(secure, "wrap-1", {
    vault: { addr: secure.addr, namespace: "not-this", ca: "nor this" },
    secrets: { paths: ["secret/web"], env: new Map() },
  });
  expect(await post(await started.port(), sign(delivery))).toMatchObject({
    status: 200,
  });
  expect(await started.ended, started.err()).toBe(0);
  expect(new Set(secure.requests.map(({ namespace }) => namespace))).toEqual(
    new Set(["team"]),
  );
  secure.stop();
});

test("a Vault whose certificate is from elsewhere is not asked, whatever the image's NODE_ variables say", async () => {
  const secure = await new FakeVault({
    key: pem("vault-key"),
    cert: pem("vault-cert"),
  }).start();
  secure.mint("wrap-1");
  const started = await start(["true"], {
    ...settingsFor(secure),
    NODE_TLS_REJECT_UNAUTHORIZED: "0",
  });
  const answer = await post(
    await started.port(),
    sign(deliveryFor(secure, "wrap-1")),
  );
  expect(answer).toMatchObject({ status: 503 });
  expect(secure.requests).toEqual([]);
  started.child.kill();
  secure.stop();
});

test("with WIS_VAULT=signed address, CA and namespace are the delivery's", async () => {
  const secure = await new FakeVault({
    key: pem("vault-key"),
    cert: pem("vault-cert"),
  }).start();
  secure.mint("wrap-1");
  const started = await start(["echo", "ran"], {
    ...settingsFor(vault),
    VAULT_ADDR: "",
    WIS_VAULT: "signed",
  });
  const port = await started.port();
  const named = (ca: string) =>
    sign(
      deliveryFor(secure, "wrap-1", {
        vault: { addr: secure.addr, namespace: "team", ca },
      }),
    );
  expect(await post(port, named(pem("vault-cert")))).toMatchObject({
    status: 200,
  });
  expect(await started.ended, started.err()).toBe(0);
  expect(secure.requests[0]?.namespace).toBe("team");
  expect(vault.requests).toEqual([]);
  secure.stop();
});

test("a CA in a delivery that is no certificate is refused", async () => {
  const started = await start(["true"], {
    ...settingsFor(vault),
    VAULT_ADDR: "",
    WIS_VAULT: "signed",
  });
  const delivery = deliveryFor(vault, "wrap-1", {
    vault: { addr: "https://127.0.0.1:1", ca: "no certificate" },
  });
  expect(await post(await started.port(), sign(delivery))).toMatchObject({
    status: 422,
  });
  expect(await started.ended).toBe(225);
});

test("a container asks the metadata endpoint who it is, and compares its Docker id too", async () => {
  const metadata = createServer((request, response) => {
    response.end(
      JSON.stringify(
        request.url === "/v4/abc"
          ? { Name: "web", DockerId: "id-of-web", Labels: {} }
          : { TaskARN: TASK, Cluster: "default", Containers: [] },
      ),
    );
  });
  await new Promise<void>((resolve) => {
    metadata.listen(0, "127.0.0.1", resolve);
  });
  const { port: at } = metadata.address() as AddressInfo;
  const started = await start(["true"], {
    ...settingsFor(vault),
    WIS_TASK_ARN: "",
    WIS_CONTAINER_NAME: "",
    WIS_STRAY: "reject",
    ECS_CONTAINER_METADATA_URI_V4: `http://127.0.0.1:${at}/v4/abc`,
  });
  const port = await started.port();
  const aud = { taskArn: TASK, containerName: "web", containerId: "another" };
  expect(
    await post(port, sign(deliveryFor(vault, "wrap-1", { aud }))),
  ).toMatchObject({ body: { code: "not_for_me" } });
  expect(
    await post(
      port,
      sign(
        deliveryFor(vault, "wrap-1", {
          aud: { ...aud, containerId: "id-of-web" },
        }),
      ),
    ),
  ).toMatchObject({ status: 200 });
  expect(await started.ended, started.err()).toBe(0);
  metadata.close();
});

test("a key comes from a file as well as from a variable", async () => {
  const file = join(scratch, "key");
  writeFileSync(file, `${settingsFor(vault)["WIS_HMAC_KEY"] ?? ""}\n`);
  const started = await start(["true"], {
    ...settingsFor(vault),
    WIS_HMAC_KEY: "",
    WIS_HMAC_KEY_FILE: file,
  });
  const body = sign(deliveryFor(vault, "wrap-1"));
  expect(await post(await started.port(), body)).toMatchObject({ status: 200 });
  expect(await started.ended).toBe(0);
});

test("a token that Vault will not renew is good enough for what has no lease", async () => {
  vault.renewable = false;
  vault.secrets.set("secret/web", { A: "1" });
  const started = await start(["echo", "ran"], settingsFor(vault));
  const delivery = deliveryFor(vault, "wrap-1", {
    secrets: { paths: ["secret/web"], env: new Map() },
  });
  await post(await started.port(), sign(delivery));
  expect(await started.ended).toBe(0);
  expect(started.err()).toContain("Vault did not renew the token");
});

test("a read that fails once is tried again", async () => {
  let failures = 1;
  vault.secrets.set("secret/web", { A: "1" });
  vault.override("secret/data/web", (_seen, response) => {
    failures -= 1;
    if (failures < 0) {
      return undefined;
    }
    response.socket?.destroy();
    return "answered";
  });
  const started = await start(["env"], settingsFor(vault));
  const delivery = deliveryFor(vault, "wrap-1", {
    secrets: { paths: ["secret/web"], env: new Map() },
  });
  await post(await started.port(), sign(delivery));
  expect(await started.ended).toBe(0);
  expect(variables(started.out())).toMatchObject({ A: "1" });
});

test("a script without #! is run by the shell, with its arguments", async () => {
  const script = join(scratch, "script");
  writeFileSync(script, 'echo "$0 $1 $2"\n');
  chmodSync(script, 0o755);
  const started = await start(["--", script, "--", "a b"], {
    ...settingsFor(vault),
    WIS_MODE: "off",
  });
  expect(await started.ended).toBe(0);
  expect(started.out()).toBe(`${script} -- a b\n`);
});

test("with WIS_MODE=off the command starts at once, and stderr says that it has no secrets", async () => {
  const started = await start(["env"], {
    PATH: "/bin:/usr/bin",
    A: "1",
    WIS_MODE: "off",
  });
  expect(await started.ended).toBe(0);
  expect(variables(started.out())).toEqual({ PATH: "/bin:/usr/bin", A: "1" });
  expect(started.err()).toContain("WIS_MODE=off");
});
