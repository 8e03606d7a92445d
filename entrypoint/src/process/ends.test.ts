// The real process ends before it becomes the command: every exit code that is not a refused delivery's (those are in
// refuses.test.ts), reached as it would be in a container. Each test has a Vault of its own, because they run together.

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import type { Delivery } from "@vaultbuddy/common";
import { afterAll, describe, expect, test } from "vitest";
import { exits } from "../exit.ts";
import { FakeVault, respond } from "./fake-vault.ts";
import {
  BUNDLE,
  bundled,
  channelOptions,
  deliveryFor,
  KEY,
  KEY_TEXT,
  post,
  scratch,
  settingsFor,
  sign,
  start,
} from "./harness.ts";
import type { Started } from "./harness.ts";

const vaults: FakeVault[] = [];

afterAll(() => vaults.forEach((vault) => vault.stop()));

async function openVault(): Promise<FakeVault> {
  const vault = await new FakeVault().start();
  vaults.push(vault);
  vault.mint("wrap-1");
  return vault;
}

/** One line on stderr at the default level: what it is, and what to do. */
function saysOnce(started: Started, name: keyof typeof exits): void {
  const lines = started.err().trim().split("\n");
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^vaultbuddy-entrypoint: error: /);
  expect(lines[0]).toContain(exits[name].advice);
  expect(lines[0]).toContain(`(exit ${exits[name].code})`);
}

const quiet = (vault: FakeVault): Record<string, string> => ({
  ...settingsFor(vault),
  WIS_LOG_LEVEL: "warn",
});

describe.concurrent("before it listens", () => {
  test("a command that is not there ends with 127", async () => {
    const vault = await openVault();
    const started = await start(["--", "no-such-command", "x"], quiet(vault));
    expect(await started.ended).toBe(127);
    saysOnce(started, "not_found");
    expect(started.err()).toContain('"no-such-command"');
  });

  test("no command at all ends with 127 and the hint about CMD", async () => {
    const vault = await openVault();
    const started = await start([], quiet(vault));
    expect(await started.ended).toBe(127);
    saysOnce(started, "not_found");
    expect(started.err()).toContain("no command was given");
  });

  test("a script whose interpreter is not there ends with 127", async () => {
    const file = join(scratch, "no-interpreter");
    writeFileSync(file, "#!/no/such/interpreter\n");
    chmodSync(file, 0o755);
    const started = await start([file], { PATH: "/usr/bin" });
    expect(await started.ended).toBe(127);
    expect(started.err()).toContain('"/no/such/interpreter"');
    saysOnce(started, "not_found");
  });

  test("a file without x ends with 126", async () => {
    const vault = await openVault();
    const file = join(scratch, "closed");
    writeFileSync(file, "");
    chmodSync(file, 0o644);
    const started = await start([file], quiet(vault));
    expect(await started.ended).toBe(126);
    saysOnce(started, "not_executable");
  });

  test("faulty settings end with their code, all told at once and none repeated", async () => {
    const started = await start(["true"], {
      PATH: process.env["PATH"] ?? "",
      WIS_LISTEN: "nowhere-at-all",
      WIS_STRAY: "maybe-so",
      WIS_HMAC_KEY: "too-short-a-key",
      WIS_TYPO: "hello-there",
      WIS_ALLOW_FROM: "10.0.0.0/33",
      VAULT_CACERT: "/no/such/file",
    });
    expect(await started.ended).toBe(exits.settings.code);
    saysOnce(started, "settings");
    for (const name of [
      "WIS_LISTEN",
      "WIS_STRAY",
      "WIS_HMAC_KEY:",
      "WIS_TYPO",
      "WIS_ALLOW_FROM",
      "VAULT_CACERT",
      "VAULT_ADDR",
      "WIS_TASK_ARN",
    ]) {
      expect(started.err()).toContain(name);
    }
    for (const value of ["nowhere", "maybe", "too-short", "hello", "/33"]) {
      expect(started.err()).not.toContain(value);
    }
  });

  test("a CA file that holds no certificate is a fault of the settings", async () => {
    const vault = await openVault();
    const file = join(scratch, "no-ca.pem");
    writeFileSync(
      file,
      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    const started = await start(["true"], {
      ...quiet(vault),
      VAULT_ADDR: "https://127.0.0.1:1",
      VAULT_CACERT: file,
    });
    expect(await started.ended).toBe(exits.settings.code);
    saysOnce(started, "settings");
  });

  test.each([
    ["an environment", 'X="$(printf "a\\377b")" exec "$@"'],
    ["arguments", 'exec "$@" "$(printf "a\\377b")"'],
  ])("%s not in UTF-8 end with their code", async (_name, script) => {
    const vault = await openVault();
    await bundled;
    const ran = spawnSync(
      "/bin/sh",
      ["-c", script, "sh", process.execPath, BUNDLE, "echo"],
      { env: quiet(vault), encoding: "utf8" },
    );
    expect(ran.status).toBe(exits.environment.code);
    expect(ran.stderr).toContain(exits.environment.advice);
    expect(ran.stdout).toBe("");
  });
});

describe.concurrent("while it waits", () => {
  test("a port in use ends with its code", async () => {
    const vault = await openVault();
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const started = await start(["true"], {
      ...quiet(vault),
      WIS_LISTEN: `127.0.0.1:${port}`,
    });
    expect(await started.ended).toBe(exits.listen.code);
    saysOnce(started, "listen");
    other.close();
  });

  test("no delivery in time ends with its code", async () => {
    const vault = await openVault();
    const started = await start(["true"], {
      ...quiet(vault),
      WIS_TIMEOUT: "200ms",
    });
    expect(await started.ended).toBe(exits.timeout.code);
    saysOnce(started, "timeout");
  });

  test("a metadata endpoint that never tells ends with its code", async () => {
    const vault = await openVault();
    const metadata = createHttpServer((_request, response) =>
      response.end("<html>"),
    ).listen(0, "127.0.0.1");
    await once(metadata, "listening");
    const { port } = metadata.address() as AddressInfo;
    const started = await start(["true"], {
      ...quiet(vault),
      WIS_TASK_ARN: "",
      WIS_TIMEOUT: "300ms",
      ECS_CONTAINER_METADATA_URI_V4: `http://127.0.0.1:${port}/v4/x`,
    });
    expect(await started.ended).toBe(exits.identity.code);
    saysOnce(started, "identity");
    metadata.close();
  });

  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
    ["SIGHUP", 129],
    ["SIGQUIT", 131],
    ["SIGUSR1", 138],
    ["SIGUSR2", 140],
  ] as const)("%s ends it at once with %i", async (signal, code) => {
    const started = await start(["true"], settingsFor(await openVault()));
    await started.port();
    started.child.kill(signal);
    expect(await started.ended).toBe(code);
  });

  test("an opened wrapping token is answered already_unwrapped, and after its time the container ends with the alarm", async () => {
    const vault = await openVault();
    vault.wrapped.clear();
    const started = await start(["true"], {
      ...settingsFor(vault),
      WIS_TIMEOUT: "1s",
    });
    const port = await started.port();
    const body = sign(deliveryFor(vault, "wrap-1"));
    expect(await post(port, body)).toMatchObject({
      status: 410,
      body: { code: "already_unwrapped" },
    });
    expect(await post(port, body)).toMatchObject({ status: 410 });
    expect(await started.ended).toBe(exits.already_unwrapped.code);
  });

  test("a Vault that never recovers ends the container with its own code", async () => {
    const vault = await openVault();
    const started = await start(["true"], {
      ...settingsFor(vault),
      WIS_TIMEOUT: "1s",
    });
    const port = await started.port();
    const delivery = deliveryFor(vault, "wrap-1");
    vault.stop();
    expect(await post(port, sign(delivery))).toMatchObject({ status: 503 });
    expect(await started.ended).toBe(exits.vault_unavailable.code);
  });

  test("a fault of its own ends with its own code and tells nothing of it", async () => {
    const vault = await openVault();
    const file = join(scratch, "break.cjs");
    writeFileSync(
      file,
      `setTimeout(() => { throw new Error("quoting ${KEY_TEXT}"); }, 200);`,
    );
    const started = await start(["true"], {
      ...quiet(vault),
      NODE_OPTIONS: `--require ${file}`,
    });
    expect(await started.ended).toBe(exits.internal.code);
    saysOnce(started, "internal");
    expect(started.err()).not.toContain(KEY_TEXT);
  });
});

describe.concurrent("after the token was opened", () => {
  /** Delivers, and expects that the container ends as named and its token with it. */
  async function endsAs(
    name: keyof typeof exits,
    vault: FakeVault,
    secrets: Delivery["secrets"],
    env: Record<string, string> = {},
  ): Promise<Started> {
    const started = await start(["echo", "ran"], {
      ...settingsFor(vault),
      ...env,
    });
    const delivery = deliveryFor(vault, "wrap-1", { secrets });
    expect(await post(await started.port(), sign(delivery))).toMatchObject({
      status: 200,
    });
    expect(await started.ended, started.err()).toBe(exits[name].code);
    expect(started.out()).toBe("");
    expect(vault.paths().at(-1)).toBe("auth/token/revoke-self");
    expect(vault.tokens.size).toBe(0);
    return started;
  }

  const whole = (...paths: string[]) => ({ paths, env: new Map() });

  test("a connection that closes before the receipt ends token and container", async () => {
    const vault = await openVault();
    let letGo = (): void => undefined;
    const asked = new Promise<void>((resolve) => {
      vault.override("sys/wrapping/lookup", (_seen, response) => {
        letGo = () =>
          void respond(response, 200, {
            data: {
              creation_path: "auth/token/create/vaultbuddy-web",
              creation_ttl: 60,
              creation_time: new Date().toISOString(),
            },
          });
        resolve();
        return "answered";
      });
    });
    const started = await start(["echo", "ran"], settingsFor(vault));
    const body = sign(deliveryFor(vault, "wrap-1"));
    const socket = connectTls({
      host: "127.0.0.1",
      port: await started.port(),
      ...channelOptions(KEY),
    });
    await once(socket, "secureConnect");
    socket.write(
      `POST / HTTP/1.1\r\ncontent-type: application/jose+json\r\ncontent-length: ${body.length}\r\n\r\n`,
    );
    socket.write(body);
    await asked;
    socket.destroy();
    await once(socket, "close");
    letGo();
    expect(await started.ended, started.err()).toBe(exits.receipt_lost.code);
    expect(vault.paths()).toContain("auth/token/revoke-self");
    expect(started.out()).toBe("");
  });

  test("a path that Vault refuses to read", async () => {
    const vault = await openVault();
    vault.override("secret/data/closed", (_seen, response) =>
      respond(response, 403, { errors: ["permission denied"] }),
    );
    const ended = await endsAs(
      "read_refused",
      vault,
      whole("secret/closed", "secret/absent"),
    );
    expect(ended.err()).toContain('"secret/closed" (403)');
    expect(ended.err()).toContain('no secret at "secret/absent" (404)');
  });

  test("an engine that the token may not see", async () => {
    const vault = await openVault();
    vault.override("sys/internal/ui/mounts/*", (_seen, response) =>
      respond(response, 403, { errors: ["preflight capability check"] }),
    );
    await endsAs("read_refused", vault, whole("secret/web"));
  });

  test.each([
    ["a proxy's page", "<html>"],
    ["half a document", '{"data":{"data":{"A":'],
    ["another shape", '{"data":[1]}'],
  ])("a read that is answered with %s", async (_name, body) => {
    const vault = await openVault();
    vault.override("secret/data/web", (_seen, response) => {
      response.end(body);
      return "answered";
    });
    await endsAs("read_failed", vault, whole("secret/web"));
    const reads = vault.paths().filter((path) => path === "secret/data/web");
    expect(reads).toHaveLength(3);
  });

  test("a read that is never answered", async () => {
    const vault = await openVault();
    vault.override("secret/data/web", () => "answered");
    await endsAs("read_failed", vault, whole("secret/web"));
  });

  test("a Vault that is silent from then on", async () => {
    const vault = await openVault();
    vault.override("sys/internal/ui/mounts/*", () => "answered");
    vault.override("auth/token/renew-self", () => "answered");
    await endsAs("read_failed", vault, whole("secret/web", "kv1/db"));
  });

  test("secrets that cannot become variables, each named by path and key", async () => {
    const vault = await openVault();
    vault.secrets.set("secret/web", {
      "not-a-name": "s3cret",
      TWICE: "s3cret",
      EMPTY: null,
      NUL: "s3cret\0more",
    });
    vault.secrets.set("kv1/db", { TWICE: "s3cret" });
    const ended = await endsAs("secret_unusable", vault, {
      paths: ["secret/web", "kv1/db"],
      env: new Map([["PASSWORD", "kv1/db#password"]]),
    });
    for (const part of [
      'key "not-a-name" of "secret/web" is not the name of a variable',
      'key "TWICE" of "secret/web" and key "TWICE" of "kv1/db" both give TWICE',
      'key "EMPTY" of "secret/web" is null',
      'key "NUL" of "secret/web" holds a NUL byte',
      'no key "password" in "kv1/db", which PASSWORD is to hold',
    ]) {
      expect(ended.err()).toContain(part);
    }
    expect(ended.err()).not.toContain("s3cret");
  });

  test("a secret longer than a variable can be", async () => {
    const vault = await openVault();
    vault.secrets.set("secret/web", { LONG: "x".repeat(128 * 1024) });
    const ended = await endsAs("secret_unusable", vault, whole("secret/web"));
    expect(ended.err()).toContain("LONG");
  });

  test("secrets that together are larger than the kernel takes", async () => {
    const vault = await openVault();
    const many = Array.from({ length: 30 }, (_, n) => [
      `LONG_${n}`,
      "x".repeat(100_000),
    ]);
    vault.secrets.set("secret/web", Object.fromEntries(many));
    await endsAs("environment", vault, whole("secret/web"));
  });

  test("leases that hang on a token that Vault will not renew", async () => {
    const vault = await openVault();
    vault.renewable = false;
    vault.override("kv1/db", (_seen, response) =>
      respond(response, 200, { lease_id: "kv1/db/1", data: { A: "1" } }),
    );
    await endsAs("renew_failed", vault, whole("kv1/db"));
  });
});
