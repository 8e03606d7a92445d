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
import { bundleEntrypoint } from "@vaultbuddy/entrypoint/bundle";
import type { AwsStack } from "../ecs/handle.ts";
import { startAws } from "../ecs/server.ts";
import type { AwsOptions } from "../ecs/options.ts";
import { dockerEngine } from "../engine/docker.ts";
import type { Engine } from "../engine/engine.ts";
import { buildImage, nodePath, removeUnusedImages } from "../engine/image.ts";
import { startVault } from "../vault/server.ts";
import type { VaultServer } from "../vault/server.ts";
import { Daemon } from "./daemon.ts";
import type { DaemonSpec } from "./daemon.ts";
import { setUpVault, VaultAdmin } from "./vault-setup.ts";
import type { BrokerLogin } from "./vault-setup.ts";

/** The family the sample task belongs to. */
export const sampleFamily = "sample";
/** The secrets the sample app is to receive. */
export const sampleSecrets = {
  sample: {
    DB_USER: `user-${randomBytes(9).toString("base64url")}`,
    DB_PASSWORD: `db-${randomBytes(9).toString("base64url")}`,
  },
  shared: { api_key: `api-${randomBytes(9).toString("base64url")}` },
};

export interface StackOptions {
  readonly aws?: Partial<AwsOptions>;
  /** Rules by family, beside or instead of the sample's. */
  readonly policy?: Readonly<Record<string, unknown>>;
  /** More families with a Vault policy of their own name. */
  readonly families?: readonly string[];
  /** As for `connectDocker`; default: the machine's Docker. `none`: no containers, only loose tasks (loose.ts). */
  readonly dockerHost?: string;
  /** Told at each step of starting. */
  readonly tell?: (what: string) => void;
}

const root = fileURLToPath(new URL("../../../../", import.meta.url));

/** A running installation. */
export class Stack {
  readonly #engine: Engine | undefined;
  readonly vault: VaultServer;
  readonly admin: VaultAdmin;
  readonly aws: AwsStack;
  readonly ecs: ECSClient;
  readonly #image: string | undefined;
  readonly folder: string;
  readonly #login: BrokerLogin;
  readonly #master: string;
  readonly #dockerHost: string | undefined;
  readonly #daemons: Daemon[] = [];

  /** Starts the stand-ins; {@link startBroker} and {@link startAgent} start the daemons. */
  static async start(options: StackOptions = {}): Promise<Stack> {
    const tell = options.tell ?? (() => undefined);
    const engine =
      options.dockerHost === "none"
        ? undefined
        : dockerEngine(options.dockerHost);
    await engine?.ping();
    const folder = mkdtempSync(join(tmpdir(), "vaultbuddy-"));
    const closing: (() => Promise<void>)[] = [];
    try {
      tell("building the image of the sample task");
      await bundleEntrypoint(join(folder, "entrypoint.cjs"));
      const image =
        engine === undefined
          ? undefined
          : await sampleImage(folder, options.dockerHost);
      tell("starting stand-ins for Vault, ECS and EC2");
      const host = (await engine?.hostAddress()) ?? "127.0.0.1";
      const vault = await startVault({ host });
      closing.push(() => vault.close());
      const aws = await startAws({
        ...(engine && { engine }),
        hostAddress: host,
        ...options.aws,
      });
      closing.push(() => aws.close());
      const admin = new VaultAdmin(vault.addr, vault.rootToken);
      closing.push(() => admin.close());
      const families = [sampleFamily, ...(options.families ?? [])];
      const login = await setUpVault(admin, sampleSecrets, families);
      return new Stack({
        engine,
        vault,
        admin,
        aws,
        image,
        folder,
        login,
        options,
      });
    } catch (error) {
      await Promise.allSettled(closing.map((close) => close()));
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  private constructor(parts: {
    engine: Engine | undefined;
    vault: VaultServer;
    admin: VaultAdmin;
    aws: AwsStack;
    image: string | undefined;
    folder: string;
    login: BrokerLogin;
    options: StackOptions;
  }) {
    this.#engine = parts.engine;
    this.vault = parts.vault;
    this.admin = parts.admin;
    this.aws = parts.aws;
    this.#image = parts.image;
    this.folder = parts.folder;
    this.#login = parts.login;
    this.#dockerHost = parts.options.dockerHost;
    this.#master = randomBytes(32).toString("base64url");
    this.ecs = new ECSClient({
      endpoint: this.aws.endpoint,
      region: this.aws.region,
      credentials: {
        accessKeyId: this.aws.accessKeyId,
        secretAccessKey: this.aws.secretAccessKey,
      },
    });
    this.write("master.key", this.#master);
    this.write("secret-id", this.#login.secretId.expose());
    this.write(
      "policy.json",
      JSON.stringify({ ...samplePolicy, ...parts.options.policy }),
    );
  }

  get engine(): Engine {
    return present(this.#engine);
  }

  /** The image with Node, the entrypoint and the sample app. */
  get image(): string {
    return present(this.#image);
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
    const daemon = this.#spawn(
      "broker",
      [
        "serve",
        ...["--listen", "127.0.0.1:0", "--vault", this.vault.addr],
        ...["--policies-file", join(this.folder, "policy.json")],
        ...["--hmac-key-file", join(this.folder, "master.key")],
        ...["--clusters", this.aws.clusterArn.replace(/\/.*$/, "/*")],
        ...["--ledger", `sqlite:${join(this.folder, "claims.db")}`],
        ...args,
      ],
      {
        ...this.aws.env,
        APPROLE_ROLE_ID: this.#login.roleId,
        APPROLE_SECRET_ID_FILE: join(this.folder, "secret-id"),
        ...env,
      },
    );
    const { fields } = await daemon.said("listening");
    await daemon.said("logged in to Vault");
    return { daemon, url: `http://${String(fields["address"])}` };
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
        ...["--broker", brokers.join(","), "--listen", "127.0.0.1:0"],
        ...["--ecs-metadata", this.aws.metadataUrl],
        ...(this.#dockerHost === undefined
          ? []
          : ["--docker", this.#dockerHost]),
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

  /** Removes the images, which {@link close} leaves for the next stack to start faster. */
  async removeImages(): Promise<void> {
    await removeUnusedImages(this.#builder());
  }

  #builder(): { dockerHost?: string } {
    return this.#dockerHost === undefined
      ? {}
      : { dockerHost: this.#dockerHost };
  }

  /** Stops the daemons, ends the tasks and removes everything that was made, but for the images. */
  async close(): Promise<void> {
    await Promise.all(
      this.#daemons.map((daemon) =>
        daemon.running ? daemon.stop() : undefined,
      ),
    );
    this.ecs.destroy();
    const ended = await Promise.allSettled([
      this.aws.close(),
      this.vault.close(),
      this.admin.close(),
    ]);
    rmSync(this.folder, { recursive: true, force: true });
    const failed = ended.find((one) => one.status === "rejected");
    if (failed !== undefined) {
      throw failed.reason;
    }
  }
}

function present<Value>(value: Value | undefined): Value {
  if (value === undefined) {
    throw new Error("this stack was started without an engine");
  }
  return value;
}

const samplePolicy = {
  [sampleFamily]: {
    policies: [sampleFamily],
    ttl: 3600,
    secrets: ["secret/sample"],
    env: { API_KEY: "secret/shared#api_key" },
  },
};

async function sampleImage(
  folder: string,
  dockerHost: string | undefined,
): Promise<string> {
  return await buildImage(
    {
      name: "sample",
      files: [
        {
          path: "/vaultbuddy/entrypoint.cjs",
          mode: 0o444,
          source: join(folder, "entrypoint.cjs"),
        },
        {
          path: "/app/app.cjs",
          mode: 0o444,
          source: join(root, "packages/devstack/sample-app/app.cjs"),
        },
      ],
      entryPoint: [nodePath, "/vaultbuddy/entrypoint.cjs", "--"],
      command: [nodePath, "/app/app.cjs"],
    },
    dockerHost === undefined ? {} : { dockerHost },
  );
}
