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
import { removeUnusedImages } from "../engine/image.ts";
import { startVault } from "../vault/server.ts";
import type { VaultServer } from "../vault/server.ts";
import { openEngine } from "../embedded/choose.ts";
import type { OpenEngine } from "../embedded/choose.ts";
import { Daemon } from "./daemon.ts";
import type { DaemonSpec } from "./daemon.ts";
import {
  sampleFamily,
  sampleImage,
  samplePolicy,
  sampleSecrets,
} from "./sample.ts";
import { setUpVault, VaultAdmin } from "./vault-setup.ts";
import type { BrokerLogin } from "./vault-setup.ts";

export interface StackOptions {
  readonly aws?: Partial<AwsOptions>;
  /** Rules by family, beside or instead of the sample's. */
  readonly policy?: Readonly<Record<string, unknown>>;
  /** More families with a Vault policy of their own name. */
  readonly families?: readonly string[];
  /** False: no engine at all, only loose tasks (loose.ts). */
  readonly containers?: false;
  /** Told at each step of starting. */
  readonly tell?: (what: string) => void;
}

const root = fileURLToPath(new URL("../../../../", import.meta.url));

/** What has been started, before it is a stack. */
interface Parts {
  readonly options: StackOptions;
  readonly folder: string;
  readonly runtime: OpenEngine | undefined;
  readonly image: string | undefined;
  readonly vault: VaultServer;
  readonly aws: AwsStack;
  readonly admin: VaultAdmin;
  readonly login: BrokerLogin;
}

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
        APPROLE_ROLE_ID: this.#parts.login.roleId,
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
        ...["--docker", this.runtime.dockerHost],
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

async function startParts(
  options: StackOptions,
  folder: string,
  closing: (() => Promise<void>)[],
): Promise<Parts> {
  const tell = options.tell ?? (() => undefined);
  const keep = <Part extends { close(): Promise<void> }>(part: Part): Part => {
    closing.push(() => part.close());
    return part;
  };
  await bundleEntrypoint(join(folder, "entrypoint.cjs"));
  const runtime =
    options.containers === false
      ? undefined
      : keep(await openEngine(process.env));
  if (runtime !== undefined) {
    tell(
      `containers run on ${runtime.kind === "docker" ? "Docker" : "the EMBEDDED ENGINE, as plain processes"}: ${runtime.why}`,
    );
    tell("building the image of the sample task");
  }
  const engine = runtime && dockerEngine(runtime.dockerHost);
  const image =
    runtime &&
    (await sampleImage(join(folder, "entrypoint.cjs"), runtime.dockerHost));
  tell("starting stand-ins for Vault, ECS and EC2");
  const host = (await engine?.hostAddress()) ?? "127.0.0.1";
  const vault = keep(await startVault({ host }));
  const aws = keep(
    await startAws({
      ...(engine && { engine }),
      hostAddress: host,
      ...options.aws,
    }),
  );
  const admin = keep(new VaultAdmin(vault.addr, vault.rootToken));
  const login = await setUpVault(admin, sampleSecrets, [
    sampleFamily,
    ...(options.families ?? []),
  ]);
  return { options, folder, runtime, image, vault, aws, admin, login };
}

function present<Value>(value: Value | undefined): Value {
  if (value === undefined) {
    throw new Error("this stack was started without an engine");
  }
  return value;
}
