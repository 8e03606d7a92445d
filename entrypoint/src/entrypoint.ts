// The flow, to be read first: listen → verify → unwrap → receipt → renew and read → become the command. Whatever goes
// wrong after the token was opened ends that token: nobody else would.

import { Refusal } from "@vaultbuddy/common";
import type { Clock, DeliveryCode } from "@vaultbuddy/common";
import { openDoorway } from "./channel.ts";
import type { Config, VaultTarget } from "./config.ts";
import { appEnvironment } from "./environ.ts";
import { becomeCommand } from "./exec.ts";
import type { Host } from "./exec.ts";
import { Failure } from "./exit.ts";
import { prepareCredentials, writeCredentials } from "./files/credentials.ts";
import { noFiles, openFiles } from "./files/files.ts";
import type { Files } from "./files/files.ts";
import type { Command } from "./find.ts";
import { Door } from "./listen.ts";
import type { Log } from "./log.ts";
import { askSelf } from "./metadata.ts";
import { Patience } from "./patience.ts";
import { assemble, givesToken, needsOf } from "./plan.ts";
import type { OwnPlan, Variables } from "./plan.ts";
import { readAll, renew } from "./read.ts";
import type { Answers } from "./read.ts";
import { Reception } from "./receive.ts";
import type { Accepted } from "./receive.ts";
import { rehearse } from "./rehearse.ts";
import { serve } from "./serve.ts";
import { unwrap } from "./unwrap.ts";
import { Vault } from "./vault.ts";
import { judge, openDelivery } from "./verify.ts";

/** How long ending the token may take when a command that was kept has ended, in milliseconds. */
const END_TIME = 3000;

/** What the flow is given by the process. */
export interface EntrypointDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly host: Host;
  /** Reads a small file whole, as text. */
  readonly readFile: (path: string) => string;
  /** A socket bound to the address to listen on, if somebody made one. */
  readonly listener?: number;
  /** Takes what is to be done first when a signal ends the process. */
  readonly beforeSignalEnds: (last: () => Promise<void>) => void;
}

/** Waits for the delivery and becomes the command with its secrets. Throws the {@link Failure} to end with. */
export async function runEntrypoint(
  config: Config,
  command: Command,
  given: ReadonlyMap<string, string>,
  { clock, log, host, listener, readFile, beforeSignalEnds }: EntrypointDeps,
): Promise<never> {
  const door = new Door(config.allowFrom, log);
  const vaults = new Vaults(config.vault, log);
  let reception: Reception | undefined;
  let retired: Promise<boolean> | undefined;
  const removals: (() => void)[] = [];
  const removeFiles = (): void => removals.forEach((remove) => remove());
  try {
    const port = await door.listen(config.listen, listener);
    log.info("waiting for the delivery", { port });
    // From here on the broker finds somebody. Timers, TLS, HTTP and the rest are loaded by their first use, which is below.
    const patience = new Patience(clock, config.timeout);
    const self = askSelf(
      config.self,
      config.metadata,
      clock,
      log,
      patience.signal,
    );
    const { own, credentials } = config;
    if (credentials !== undefined) {
      prepareCredentials(credentials);
    }
    const files = await openFiles(config.files ?? noFiles, own, readFile);
    const seconds = (): number => clock.now() / 1000;
    const { key, channel, certificate } = openDoorway(config);
    const { vault, fallbackCa } = config;
    reception = new Reception({
      open: (bytes) => openDelivery(bytes, key),
      stray: config.stray,
      patience,
      log,
      judge: async (delivery) =>
        judge(delivery, {
          self: await self,
          now: seconds(),
          ...(vault === undefined ? {} : { vault }),
          ...(fallbackCa === undefined ? {} : { fallbackCa }),
          ...(certificate === undefined ? {} : { certificate }),
        }),
      unwrap: async (verified) => {
        const used = vaults.open(verified.vault);
        const needs = needsOf(own, verified.delivery.secrets, files.needs);
        used.warm(1 + needs.sources.length + needs.ciphertexts.length);
        return unwrap(verified, used, seconds, log, patience.signal);
      },
    });
    serve(door, channel, reception.handle, clock, log);
    beforeSignalEnds(async () => {
      removeFiles();
      const opened = reception?.opened;
      if (opened !== undefined && (await retired) !== true) {
        // Over a connection of its own: the others may all be waiting for an answer.
        const { verified, token } = opened;
        await new Vault(verified.vault, log).revoke(token.token);
      }
    });
    vaults.warm();
    void rehearse(clock).catch(() => log.debug("the rehearsal did not end"));
    const over = failWhenOver(patience, reception, self);
    const accepted = await Promise.race([reception.taken, over]);
    const gives =
      credentials !== undefined || givesToken(own) || files.givesToken;
    const deps = { clock, log, patience };
    const { answers, life, spent } = await Promise.race([
      fetchSecrets(accepted, { own, files, gives }, vaults, deps),
      over,
    ]);
    const { token, verified } = accepted;
    const plan = verified.delivery.secrets;
    const secrets = assemble(own, plan, answers, token.token);
    removals.push(files.write(answers, token.token));
    if (credentials !== undefined) {
      removals.push(writeCredentials(credentials, token, life, verified.vault));
    }
    if (spent && host.keep === undefined) {
      retired = vaults.open(verified.vault).retire(token.token);
    }
    const environment = (variables: Variables): Record<string, string> =>
      appEnvironment(given, variables, config.passthrough);
    const env = environment(secrets);
    log.info("starting the command", {
      secrets: [...secrets.keys()].toSorted().join(","),
    });
    door.close();
    await retired;
    // From here on only a command that is kept needs time, and it has all of it.
    patience.stop();
    const used = vaults.open(verified.vault);
    return await becomeCommand(command, env, host, {
      vault: used,
      token,
      life,
      tokenTtl: verified.delivery.wrap.tokenTtl,
      gives,
      needs: needsOf(own, plan, files.needs),
      answers,
      environment: (from) =>
        environment(assemble(own, plan, from, token.token)),
      files: (from) =>
        files
          .contents(from, token.token)
          .map(({ content }) => content.expose()),
      write: (from) => void files.write(from, token.token),
      end: async () => {
        retired = used.retire(token.token, END_TIME);
        await retired;
      },
    });
  } catch (error) {
    door.close();
    removeFiles();
    const opened = reception?.opened;
    if (opened !== undefined && (await retired) !== true) {
      await vaults.open(opened.verified.vault).revoke(opened.token.token);
    }
    throw error;
  }
}

interface Wanted {
  readonly own: OwnPlan;
  readonly files: Files;
  /** Whether the command gets the token. */
  readonly gives: boolean;
}

/** What was read, the token's life in seconds, and whether the token has done its work with it: nothing hangs on it, and nobody else gets it. */
async function fetchSecrets(
  { verified: { delivery, vault }, token }: Accepted,
  { own, files, gives }: Wanted,
  vaults: Vaults,
  { clock, log, patience }: { clock: Clock; log: Log; patience: Patience },
): Promise<{ answers: Answers; life: number; spent: boolean }> {
  const deps = { vault: vaults.open(vault), clock, signal: patience.signal };
  const [renewed, answers] = await Promise.all([
    renew(token, delivery.wrap.tokenTtl, deps),
    readAll(token, needsOf(own, delivery.secrets, files.needs), deps),
  ]);
  const leased = [...answers.contents.values()].some((one) => one.leased);
  if (renewed === undefined) {
    // What has a lease dies with the token, minutes from now and under the running application. What has none, such as
    // anything in KV, is already all that the token was for.
    if (leased || gives) {
      throw new Failure(
        "renew_failed",
        leased
          ? "Vault did not renew the token that the leases hang on"
          : "Vault did not renew the token that the command is to get",
      );
    }
    log.warn(
      "Vault did not renew the token; what was read has no lease and does not need it",
    );
  }
  return { answers, life: renewed ?? token.ttl, spent: !leased && !gives };
}

/** Rejects when the time is over, or when it turns out that this container can never know who it is. */
async function failWhenOver(
  patience: Patience,
  reception: Reception,
  self: Promise<unknown>,
): Promise<never> {
  const over = new Promise<void>((resolve) => {
    patience.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.all([over, self]);
  throw reception.overdue();
}

/** The one Vault this container was told of, or the one that the delivery in hand names. */
class Vaults {
  readonly #pinned: VaultTarget | undefined;
  readonly #log: Log;
  #open: { readonly target: VaultTarget; readonly vault: Vault } | undefined;

  constructor(pinned: VaultTarget | undefined, log: Log) {
    this.#pinned = pinned;
    this.#log = log;
  }

  /** Opens connections to Vault before they are needed, where its address is known: for the token's renewal and for what is read. */
  warm(): void {
    if (this.#pinned !== undefined) {
      this.open(this.#pinned).warm(2);
    }
  }

  open(target: VaultTarget): Vault {
    if (this.#open?.target !== target) {
      this.#open?.vault.close();
      this.#open = { target, vault: this.#make(target) };
    }
    return this.#open.vault;
  }

  #make(target: VaultTarget): Vault {
    try {
      return new Vault(target, this.#log);
    } catch {
      throw target === this.#pinned
        ? new Failure(
            "settings",
            "VAULT_CACERT: holds no certificate that can be read",
          )
        : new Refusal<DeliveryCode>(
            "bad_delivery",
            "vault.ca: holds no certificate that can be read",
          );
    }
  }
}
