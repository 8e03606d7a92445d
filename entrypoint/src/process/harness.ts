// What the tests of the real process need: the bundle, made once, started under this Node with an environment of its own;
// signed deliveries; and a broker's side of the channel.

import { spawn } from "node:child_process";
import type { ChildProcess, SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import type { RequestOptions } from "node:https";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { connect as connectTls } from "node:tls";
import type { ConnectionOptions } from "node:tls";
import { join } from "node:path";
import {
  accessorHash,
  certificateHash,
  DELIVERY_TYPE,
  derivePsk,
  familyKey,
  generateSigningKey,
  parseKey,
  publicJwk,
  Secret,
  signJws,
  writeDelivery,
} from "@vaultbuddy/common";
import type { Delivery, SignWith, WrappedToken } from "@vaultbuddy/common";
import { afterAll } from "vitest";
import { bundleEntrypoint } from "../../bundle.ts";
import type { FakeVault } from "./fake-vault.ts";

/** The vector of the protocol's specification. */
export const KEY_TEXT = "PPdRfsVlbj5U9fa46RKkketChkYaZ1HsDQnA8dA1ZeQ";
export const KEY = familyKey(parseKey(KEY_TEXT));
export const OTHER_KEY = familyKey(
  parseKey(Buffer.alloc(32, 7).toString("base64url")),
);
/** The broker's pair where the container holds a public key. */
export const PAIR = generateSigningKey();
export const TASK =
  "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef0123456789abcdef";

/** A directory of this test file's own. */
export const scratch = mkdtempSync(join(tmpdir(), "vaultbuddy-entrypoint-"));
afterAll(() => rmSync(scratch, { recursive: true }));
export const BUNDLE = join(scratch, "entrypoint.cjs");
/** Resolves when {@link BUNDLE} is there. */
export const bundled = bundleEntrypoint(BUNDLE);

/** A started entrypoint. */
export interface Started {
  readonly child: ChildProcess;
  /** What it and the command wrote until now. */
  out(): string;
  err(): string;
  /** Resolves with the exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  /** The port it listens on; needs a log level of info or lower. */
  port(): Promise<number>;
  /** Resolves when stderr holds a text. */
  says(text: string): Promise<void>;
}

/** The settings of a container that waits for a delivery. */
export function settingsFor(vault: FakeVault): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    WIS_LISTEN: "127.0.0.1:0",
    WIS_HMAC_KEY: KEY_TEXT,
    WIS_TASK_ARN: TASK,
    WIS_CONTAINER_NAME: "web",
    WIS_LOG_LEVEL: "debug",
    WIS_TIMEOUT: "10s",
    VAULT_ADDR: vault.addr,
  };
}

/** The same with the public key of {@link PAIR} instead. */
export function publicSettingsFor(vault: FakeVault): Record<string, string> {
  const { WIS_HMAC_KEY: _, ...rest } = settingsFor(vault);
  return { ...rest, WIS_PUBLIC_KEY: publicJwk(PAIR) };
}

/** Starts the bundle with an environment that holds nothing else. */
export async function start(
  args: readonly string[],
  env: Record<string, string>,
  options: SpawnOptions = {},
): Promise<Started> {
  await bundled;
  const child = spawn(process.execPath, [BUNDLE, ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
    ...options,
  });
  const text = { out: "", err: "" };
  const waiting = new Set<() => void>();
  child.stdout?.on("data", (chunk: Buffer) => (text.out += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => {
    text.err += chunk.toString();
    for (const look of waiting) {
      look();
    }
  });
  const ended = new Promise<number | string>((resolve) => {
    child.once("close", (code, signal) => resolve(code ?? String(signal)));
  });
  const says = (part: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (text.err.includes(part)) {
          waiting.delete(look);
          resolve();
        }
      };
      waiting.add(look);
      look();
      void ended.then((how) =>
        reject(new Error(`ended (${how}) without saying ${part}: ${text.err}`)),
      );
    });
  return {
    child,
    out: () => text.out,
    err: () => text.err,
    ended,
    says,
    port: async () => {
      await says("waiting for the delivery");
      return Number(/delivery port=(\d+)/.exec(text.err)?.[1]);
    },
  };
}

/** A port that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A delivery for the container of {@link settingsFor} and the wrapping token that `mint` made. */
export function deliveryFor(
  vault: FakeVault,
  wrapping: string,
  changes: Partial<Omit<Delivery, "wrap">> & {
    readonly wrap?: WrappedToken;
  } = {},
): Delivery & { readonly wrap: WrappedToken } {
  const now = Math.floor(Date.now() / 1000);
  const accessor = vault.wrapped.get(wrapping)?.accessor ?? "none";
  return {
    jti: "delivery-0001",
    iat: now,
    exp: now + 60,
    aud: { taskArn: TASK, containerName: "web", containerId: "abc" },
    vault: { addr: vault.addr },
    wrap: {
      kind: "token",
      token: new Secret(wrapping),
      accessorHash: accessorHash(accessor),
      creationPath: "auth/token/create/vaultbuddy-web",
      ttl: 60,
      tokenTtl: 3600,
    },
    secrets: { paths: [], env: new Map() },
    ...changes,
  };
}

/** Signs a delivery, or any other payload. */
export function sign(
  delivery: Delivery | Buffer,
  keys: readonly SignWith[] = [KEY],
): Buffer {
  return signJws(
    Buffer.isBuffer(delivery) ? delivery : writeDelivery(delivery),
    keys,
  );
}

/** An entrypoint's answer. */
export interface Answered {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: { code?: string; jti?: string; accessor?: string };
}

/** How a request differs from a delivery over the family's channel. */
export interface PostOptions {
  /** With `unproven` every certificate is taken. */
  readonly key?: typeof KEY | "unproven";
  readonly plain?: boolean;
  readonly method?: string;
  readonly path?: string;
  readonly type?: string;
  readonly headers?: Record<string, string>;
}

/** Sends one request as a broker does. Rejects when the channel does not come about. */
export function post(
  port: number,
  body: string | Buffer,
  options: PostOptions = {},
): Promise<Answered> {
  const base: RequestOptions = {
    host: "127.0.0.1",
    port,
    method: options.method ?? "POST",
    path: options.path ?? "/",
    agent: false,
    headers: {
      "content-type": options.type ?? DELIVERY_TYPE,
      "content-length": Buffer.byteLength(body),
      ...options.headers,
    },
  };
  return new Promise((resolve, reject) => {
    const request =
      options.plain === true
        ? requestPlain(base)
        : requestTls({ ...base, ...channelOptions(options.key ?? KEY) });
    request.once("error", reject);
    request.once("response", (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.once("error", reject);
      response.once("end", () => {
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers["content-type"],
          body: JSON.parse(text) as Answered["body"],
        });
      });
    });
    request.end(body);
  });
}

/** The TLS options of a broker's side. */
export function channelOptions(
  key: typeof KEY | "unproven",
): ConnectionOptions {
  if (key === "unproven") {
    return { minVersion: "TLSv1.3", rejectUnauthorized: false };
  }
  const psk = derivePsk(key.key).expose();
  return {
    ciphers: "PSK",
    minVersion: "TLSv1.3",
    ecdhCurve: "X25519",
    ca: [],
    rejectUnauthorized: true,
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk, identity: key.kid }),
  };
}

/** The hash of the certificate that somebody shows on a port. */
export async function certificateOn(port: number): Promise<string> {
  const socket = connectTls({
    host: "127.0.0.1",
    port,
    ...channelOptions("unproven"),
  });
  await once(socket, "secureConnect");
  const { raw: der } = socket.getPeerCertificate();
  socket.destroy();
  return certificateHash(der);
}

/** Sends bytes over plain TCP and resolves with what came back until the other side closed. */
export function raw(port: number, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    socket.on("error", () => undefined);
    socket.once("close", () => resolve(text));
  });
}
