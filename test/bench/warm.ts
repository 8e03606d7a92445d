// The yardstick of a delivery: Vault's own answers. A client in a process that has long been warm, over connections that
// stand, puts the questions of the entrypoint, by the entrypoint's own steps, in the same order and as many at a time.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { accessorHash, Secret, systemClock } from "@vaultbuddy/common";
import type { Delivery } from "@vaultbuddy/common";
import { Client } from "../../entrypoint/src/http.ts";
import { openLog } from "../../entrypoint/src/log.ts";
import { readAll, renew } from "../../entrypoint/src/read.ts";
import { unwrap } from "../../entrypoint/src/unwrap.ts";
import { Vault } from "../../entrypoint/src/vault.ts";
import { judge } from "../../entrypoint/src/verify.ts";

export const TASK =
  "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef0123456789abcdef";
export const CONTAINER = "web";

const fixture = (name: string): string =>
  readFileSync(new URL(`../fixtures/${name}`, import.meta.url), "utf8");
const seconds = (): number => Date.now() / 1000;

/** The stand-in for Vault, and a warm client of it. */
export class WarmVault {
  readonly addr: string;
  /** What it shows and is to be trusted by, as PEM. */
  readonly ca = fixture("broker-one.pem");
  readonly #worker: Worker;
  readonly #root: string;
  readonly #client: Vault;
  readonly #admin: Client;

  private constructor(worker: Worker, addr: string, root: string) {
    this.#worker = worker;
    this.addr = addr;
    this.#root = root;
    this.#admin = new Client(addr, this.ca);
    this.#client = new Vault(
      { addr, ca: this.ca },
      openLog("error", () => undefined),
    );
  }

  /** Starts one that has ten secrets, which the role `vaultbuddy-web` may read. */
  static async start(): Promise<WarmVault> {
    const worker = new Worker(new URL("vault.ts", import.meta.url), {
      workerData: {
        cert: fixture("broker-one.pem"),
        key: fixture("broker-one-key.pem"),
      },
    });
    const [{ addr, rootToken }] = (await once(worker, "message")) as [
      { addr: string; rootToken: string },
    ];
    const vault = new WarmVault(worker, addr, rootToken);
    await vault.#write("sys/policies/acl/web", {
      policy: 'path "secret/data/web/*" { capabilities = ["read"] }',
    });
    await vault.#write("auth/token/roles/vaultbuddy-web", {
      allowed_policies: ["web"],
      orphan: true,
      renewable: true,
    });
    for (const path of tenPaths) {
      const name = path.replaceAll("/", "_").toUpperCase();
      await vault.#write(path.replace("/", "/data/"), {
        data: { [`${name}_USER`]: "app", [`${name}_PASSWORD`]: "x".repeat(32) },
      });
    }
    return vault;
  }

  /** A delivery of the first `count` secrets, as a broker makes it. */
  async delivery(count: number): Promise<Delivery> {
    const answer = (await this.#write(
      "auth/token/create/vaultbuddy-web",
      { ttl: "90s" },
      "60s",
    )) as { wrap_info: { token: string; wrapped_accessor: string } };
    const now = Math.floor(seconds());
    return {
      jti: `delivery-${process.hrtime.bigint()}`,
      iat: now,
      exp: now + 60,
      aud: { taskArn: TASK, containerName: CONTAINER, containerId: "abc" },
      vault: { addr: this.addr },
      wrap: {
        kind: "token",
        token: new Secret(answer.wrap_info.token),
        accessorHash: accessorHash(answer.wrap_info.wrapped_accessor),
        creationPath: "auth/token/create/vaultbuddy-web",
        ttl: 60,
        tokenTtl: 3600,
      },
      secrets: { paths: tenPaths.slice(0, count), env: new Map() },
    };
  }

  /** How long Vault's own answers to a delivery take, in milliseconds. */
  async answers(delivery: Delivery): Promise<number> {
    const self = { taskArn: TASK, containerName: CONTAINER };
    const vault = { addr: this.addr, ca: this.ca };
    const verified = judge(delivery, { self, vault, now: seconds() });
    const { signal } = new AbortController();
    const deps = { vault: this.#client, clock: systemClock, signal };
    const log = openLog("error", () => undefined);
    const { tokenTtl } = verified.delivery.wrap;
    const sources = delivery.secrets.paths.map(
      (path) => ({ kind: "read", path }) as const,
    );
    const start = performance.now();
    const token = await unwrap(verified, this.#client, seconds, log, signal);
    await Promise.all([
      renew(token, tokenTtl, deps),
      readAll(token, { sources, ciphertexts: [] }, deps),
    ]);
    await this.#client.retire(token.token);
    return performance.now() - start;
  }

  async close(): Promise<void> {
    this.#client.close();
    this.#admin.close();
    await this.#worker.terminate();
  }

  /** Asks as root. */
  async #write(path: string, body: object, wrapTtl?: string): Promise<unknown> {
    const answer = await this.#admin.ask({
      method: "POST",
      path: `/v1/${path}`,
      headers: {
        "x-vault-token": this.#root,
        ...(wrapTtl === undefined ? {} : { "x-vault-wrap-ttl": wrapTtl }),
      },
      body: JSON.stringify(body),
      most: 65_536,
      signal: AbortSignal.timeout(10_000),
    });
    if (answer.status >= 300) {
      throw new Error(`the stand-in answered ${path} with ${answer.status}`);
    }
    return answer.body.length === 0 ? {} : JSON.parse(answer.body.toString());
  }
}

const tenPaths = Array.from({ length: 10 }, (_, at) => `secret/web/s${at}`);
