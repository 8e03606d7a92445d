// Vault's stand-in, the door: starts one on an address as `vault server -dev` would come up, with KV version 2 at
// secret/ and a root token, and gives a story what it needs to watch it, break it and stop it. It keeps all in memory.

import { approleTraits } from "./approle-release.ts";
import type { AppRoleRelease } from "./approle-release.ts";
import { Audit } from "./audit.ts";
import { control } from "./control.ts";
import type { Controlled } from "./control.ts";
import { Core } from "./core.ts";
import { createRoot, mountDefaults } from "./dev.ts";
import { Faults } from "./faults.ts";
import { serve } from "./http.ts";
import { openListener } from "./listen.ts";
import type { Listening } from "./listen.ts";
import { serviceTokenId } from "./random.ts";
import { Seal } from "./seal.ts";
import type { Mode } from "./seal.ts";

export interface VaultOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default: a free port. */
  readonly port?: number;
  /** Default: a random one. */
  readonly rootToken?: string;
  /** The present in milliseconds; default Date.now. */
  readonly now?: () => number;
  /** PEM texts; with them the server speaks HTTPS. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Whose AppRole it has; default the newest. Everything else is Vault 1.8's. */
  readonly approle?: AppRoleRelease;
  /** The remote control for other processes: true for 127.0.0.1 and any free port. Default: none. */
  readonly control?: boolean | { readonly host: string; readonly port: number };
}

export interface VaultServer {
  /** http://host:port, or https:// with tls. */
  readonly addr: string;
  readonly rootToken: string;
  /** What sys/unseal takes, in hexadecimal. */
  readonly unsealKey: string;
  /** Where the remote control listens, undefined without one. */
  readonly controlAddr: string | undefined;
  readonly audit: Audit;
  readonly faults: Faults;
  /** Makes health and requests answer as a server in that state would. */
  setMode(mode: Mode): void;
  /** Seals or unseals without a key. */
  setSealed(sealed: boolean): void;
  /** Moves the clock forward, on top of what `now` says. */
  advance(ms: number): void;
  /** Cuts all connections and frees the ports. */
  close(): Promise<void>;
}

export async function startVault(
  options: VaultOptions = {},
): Promise<VaultServer> {
  const clock = options.now ?? Date.now;
  let offset = 0;
  const now = (): number => clock() + offset;
  const advance = (ms: number): void => {
    offset += ms;
  };
  const core = new Core(now, approleTraits(options.approle ?? "1.16"));
  const seal = new Seal(now);
  const audit = new Audit();
  const faults = new Faults();
  mountDefaults(core);
  const rootToken = options.rootToken ?? serviceTokenId();
  createRoot(core, rootToken);

  const timers = new Timers();
  const listener = { core, seal, audit, faults, later: timers.later };
  const main = await openListener(
    {
      host: options.host ?? "127.0.0.1",
      port: options.port ?? 0,
      tls: options.tls,
    },
    (incoming, response) => serve(listener, incoming, response),
  );
  const remote = await openControl(options.control, {
    audit,
    faults,
    seal,
    advance,
  }).catch(async (error: unknown) => {
    await main.close();
    throw error;
  });
  return {
    addr: main.addr,
    rootToken,
    unsealKey: seal.unsealKey,
    controlAddr: remote?.addr,
    audit,
    faults,
    setMode: (mode) => {
      seal.mode = mode;
    },
    setSealed: (sealed) => {
      seal.sealed = sealed;
    },
    advance,
    close: async () => {
      timers.clear();
      await Promise.all([main.close(), remote?.close()]);
    },
  };
}

async function openControl(
  wanted: VaultOptions["control"],
  controlled: Controlled,
): Promise<Listening | undefined> {
  if (wanted === undefined || wanted === false) return undefined;
  return openListener(
    wanted === true ? { host: "127.0.0.1", port: 0 } : wanted,
    (incoming, response) => control(controlled, incoming, response),
  );
}

/** What is to happen later, unless the server closes before. */
class Timers {
  readonly #timers = new Set<NodeJS.Timeout>();

  readonly later = (ms: number, then: () => void): void => {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      then();
    }, ms);
    this.#timers.add(timer);
  };

  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
