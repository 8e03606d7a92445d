// A whole installation on one machine, for the demo and the stories: stand-ins for Vault and AWS, an image with the
// entrypoint and the sample app, keys and policies in a private folder, and the real daemons as processes. Whatever it
// makes it removes again.

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ECSClient } from "@aws-sdk/client-ecs";
import { deriveFamilyKey, parseKey } from "@vaultbuddy/common";
import type { AwsStack } from "../ecs/handle.ts";
import { dockerEngine } from "../engine/docker.ts";
import type { Engine } from "../engine/engine.ts";
import { removeUnusedImages } from "../engine/image.ts";
import type { VaultServer } from "../vault/server.ts";
import type { OpenEngine } from "../embedded/choose.ts";
import { Daemon } from "./daemon.ts";
import type { DaemonSpec } from "./daemon.ts";
import { startParts } from "./parts.ts";
import type { Parts, StackOptions } from "./parts.ts";
import { samplePolicy } from "./sample.ts";
import type { VaultAdmin } from "./vault-setup.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));

/** A running installation. */
export class Stack {
  readonly vault: VaultServer;
  readonly admin: VaultAdmin;
  readonly aws: AwsStack;
  readonly ecs: ECSClient;
  readonly folder: string;
  readonly #parts: Parts;
  readonly #master = randomBytes(32).toString("base64url");
  readonly #daemons: Daemon[] = [];

  /** Starts the stand-ins; {@link startBroker} and {@link startAgent} start the daemons. */
  static async start(options: StackOptions = {}): Promise<Stack> {
    const folder = mkdtempSync(join(tmpdir(), "vaultbuddy-"));
    const closing: (() => Promise<void>)[] = [];
    try {
      return new Stack(await startParts(options, folder, closing));
    } catch (error) {
      await Promise.allSettled(closing.toReversed().map((close) => close()));
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.vault = parts.vault;
    this.admin = parts.admin;
    this.aws = parts.aws;
    this.folder = parts.folder;
    const { endpoint, region, accessKeyId, secretAccessKey } = parts.aws;
    this.ecs = new ECSClient({
      endpoint,
      region,
      credentials: { accessKeyId, secretAccessKey },
    });
    this.write("master.key", this.#master);
    this.write("secret-id", parts.login.secretId.expose());
    this.write(
      "policy.json",
      JSON.stringify({ ...samplePolicy, ...parts.options.policy }),
    );
  }

  /** What containers run on, and what kind it is. */
  get runtime(): OpenEngine {
    return present(this.#parts.runtime);
  }

  get engine(): Engine {
    return dockerEngine(this.runtime.dockerHost);
  }

  /** The image with Node, the entrypoint and the sample app. */
  get image(): string {
    return present(this.#parts.image);
  }

  /** Writes a file into the stack's folder, for its user's eyes only; answers its path. */
  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  /** The broker's master key, base64url. */
  get masterKey(): string {
    return this.#master;
  }

  /** The key that a family's containers hold, base64url. */
  familyKey(family: string): string {
    return deriveFamilyKey(parseKey(this.#master), this.aws.account, family)
      .key.expose()
      .toString("base64url");
  }

  /** Starts a broker and waits until it serves. Later arguments beat the earlier, default ones. */
  async startBroker(
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ daemon: Daemon; url: string }> {
    const daemon = this.spawnBroker(args, env);
    const { fields } = await daemon.said("listening");
    await daemon.said("logged in to Vault");
    return { daemon, url: `http://${String(fields["address"])}` };
  }

  /** Starts a broker and waits for nothing. */
  spawnBroker(
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Daemon {
    return this.#spawn(
      "broker",
      [
        "serve",
        ...flags({
          listen: "127.0.0.1:0",
          vault: this.vault.addr,
          "policies-file": join(this.folder, "policy.json"),
          "hmac-key-file": join(this.folder, "master.key"),
          clusters: this.aws.clusterArn.replace(/\/.*$/, "/*"),
          ledger: `sqlite:${join(this.folder, "claims.db")}`,
        }),
        ...args,
      ],
      {
        ...this.aws.env,
        APPROLE_ROLE_ID: this.#parts.login.roleId,
        APPROLE_SECRET_ID_FILE: join(this.folder, "secret-id"),
        ...env,
      },
    );
  }

  /** Starts an agent on the machine's engine and waits until it watches. */
  async startAgent(
    brokers: readonly string[],
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Daemon> {
    const daemon = this.#spawn(
      "agent",
      [
        ...flags({
          broker: brokers.join(","),
          listen: "127.0.0.1:0",
          "ecs-metadata": this.aws.metadataUrl,
          docker: this.runtime.dockerHost,
        }),
        ...args,
      ],
      env,
    );
    await daemon.line((line) => /watch/.test(String(line.fields["msg"])));
    return daemon;
  }

  /** Runs the bundled entrypoint as a process of this machine. */
  startEntrypoint(
    command: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Daemon {
    return this.#run({
      name: "entrypoint",
      script: join(this.folder, "entrypoint.cjs"),
      args: ["--", ...command],
      env,
    });
  }

  #spawn(
    name: "broker" | "agent",
    args: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Daemon {
    return this.#run({
      name,
      script: join(root, name, "src/main.ts"),
      args,
      env,
    });
  }

  #run(spec: DaemonSpec): Daemon {
    const daemon = new Daemon(spec);
    this.#daemons.push(daemon);
    return daemon;
  }

  /** Everything that any daemon has printed. */
  get output(): string {
    return this.#daemons.map((daemon) => daemon.output).join("\n");
  }

  /** Stops the daemons, ends the tasks and removes everything that was made; images only when asked, because the next
   *  stack starts faster with them. */
  async close(also: { readonly images?: boolean } = {}): Promise<void> {
    await Promise.all(
      this.#daemons
        .filter((daemon) => daemon.running)
        .map((daemon) => daemon.stop()),
    );
    this.ecs.destroy();
    const ended = await Promise.allSettled([
      this.aws.close(),
      this.vault.close(),
      this.admin.close(),
    ]);
    if (also.images === true) {
      await removeUnusedImages({ dockerHost: this.runtime.dockerHost });
    }
    await this.#parts.runtime?.close();
    rmSync(this.folder, { recursive: true, force: true });
    const failed = ended.find((one) => one.status === "rejected");
    if (failed !== undefined) {
      throw failed.reason;
    }
  }
}

function flags(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => [
    `--${name}`,
    value,
  ]);
}

function present<Value>(value: Value | undefined): Value {
  if (value === undefined) {
    throw new Error("this stack was started without an engine");
  }
  return value;
}
