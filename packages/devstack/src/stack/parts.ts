// What a stack stands on, started in order: an engine, the sample's image, the stand-ins, and what an operator writes into
// Vault beforehand.

import { join } from "node:path";
import { bundleEntrypoint } from "@vaultbuddy/entrypoint/bundle";
import type { AwsStack } from "../ecs/handle.ts";
import type { AwsOptions } from "../ecs/options.ts";
import { startAws } from "../ecs/server.ts";
import { openEngine } from "../embedded/choose.ts";
import type { OpenEngine } from "../embedded/choose.ts";
import { dockerEngine } from "../engine/docker.ts";
import { startVault } from "../vault/server.ts";
import type { VaultServer } from "../vault/server.ts";
import { sampleFamily, sampleImage, sampleSecrets } from "./sample.ts";
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

/** What has been started, before it is a stack. */
export interface Parts {
  readonly options: StackOptions;
  readonly folder: string;
  readonly runtime: OpenEngine | undefined;
  readonly image: string | undefined;
  readonly vault: VaultServer;
  readonly aws: AwsStack;
  readonly admin: VaultAdmin;
  readonly login: BrokerLogin;
}

/** Starts them. What has to be closed again is put into `closing`, also when it rejects. */
export async function startParts(
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
