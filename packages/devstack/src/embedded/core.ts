// The engine's parts put together, before anybody can speak to it.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type { Slice } from "./addresses.ts";
import { Containers } from "./containers.ts";
import { Events } from "./events.ts";
import { type Hex, randomHex } from "./hex.ts";
import { Images } from "./images.ts";
import { type Instants, systemInstants } from "./instant.ts";
import { Networks } from "./networks.ts";
import type { Parts } from "./parts.ts";
import { SharedVault } from "./receiver-vault.ts";
import { type Delivered, Receivers } from "./receivers.ts";
import { Volumes } from "./volumes.ts";

export interface Core {
  readonly instants: Instants;
  readonly hex: Hex;
  readonly events: Events;
  readonly images: Images;
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly containers: Containers;
  readonly closed: AbortSignal;
}

export interface CoreOptions {
  /** A folder of the engine's own. */
  readonly dir: string;
  readonly slice: Slice;
  readonly closed: AbortSignal;
  readonly onDelivered: (delivered: Delivered) => void;
}

/** What has to be shut besides the containers. */
export interface Shut {
  (): Promise<void>;
}

const setprivPath = "/usr/bin/setpriv";

/** The program of util-linux; busybox has one of the same name that can't do this. */
async function findSetpriv(): Promise<string | undefined> {
  return promisify(execFile)(setprivPath, ["--help"], { timeout: 5_000 }).then(
    ({ stdout }) => (stdout.includes("--pdeathsig") ? setprivPath : undefined),
    () => undefined,
  );
}

export async function makeCore(
  options: CoreOptions,
): Promise<{ core: Core; shut: Shut }> {
  const { dir, slice, closed, onDelivered } = options;
  const instants = systemInstants();
  const hex = randomHex;
  const events = new Events(instants);
  const images = new Images({ dir: join(dir, "images"), events, instants });
  const volumes = new Volumes({ dir: join(dir, "volumes"), events, instants });
  const networks = new Networks({ octet: slice.octet, events, instants, hex });
  const vault = new SharedVault();
  const receivers = new Receivers({
    vault,
    now: () => Date.now() / 1000,
    monotonic: () => performance.now(),
    onDelivered,
  });
  const setpriv = await findSetpriv();
  const parts: Parts = {
    instants,
    hex,
    events,
    networks,
    receivers,
    closed,
    spawning: { setpriv },
    sleep: (ms, signal) => delay(ms, undefined, { signal }),
    container: (reference) => containers.get(reference),
    forget: (container) => containers.remove(container, true),
  };
  const containers = new Containers({
    dir: join(dir, "containers"),
    parts,
    images,
    volumes,
  });
  return {
    core: {
      instants,
      hex,
      events,
      images,
      networks,
      volumes,
      containers,
      closed,
    },
    shut: async () => {
      receivers.close();
      await vault.close();
    },
  };
}
