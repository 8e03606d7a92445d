// THE embedded engine: Docker's HTTP API on a unix socket, as far as the devstack and the agent use it, with processes of
// this machine for containers. It isolates nothing: it is for trying the product where there is no Docker, and for
// storms that no Docker here could carry. Read command.ts for what is translated, and README.md for what differs.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeSlice } from "./addresses.ts";
import { makeCore } from "./core.ts";
import { apiServer } from "./http.ts";
import { receiverImage } from "./images.ts";
import type { Delivered } from "./receivers.ts";
import { containerRoutes } from "./routes-containers.ts";
import { storeRoutes } from "./routes-stores.ts";
import { systemRoutes } from "./routes-system.ts";
import { folderPrefix, listenAt, sweep } from "./socket.ts";

export type { Delivered } from "./receivers.ts";
export { receiverImage } from "./images.ts";

export interface EmbeddedOptions {
  /** Where to listen; default: in the engine's own folder. At most 107 bytes. */
  readonly socketPath?: string;
  /** Where its folder is made; default: the system's for temporary files. Needs 300 MB. */
  readonly parentDir?: string;
}

/** A receiver to be started: see receiver.ts for the variables it needs. */
interface ReceiverSpec {
  readonly name?: string;
  /** The ECS labels among them: `com.amazonaws.ecs.task-arn`, `com.amazonaws.ecs.container-name`. */
  readonly labels: Readonly<Record<string, string>>;
  /** `WIS_HMAC_KEY`, `VAULT_ADDR`; `WIS_LISTEN` for another port than 9202. */
  readonly env: Readonly<Record<string, string>>;
}

export interface StartedReceiver {
  readonly containerId: string;
  readonly address: string;
}

export interface EmbeddedEngine {
  readonly socketPath: string;
  /** `unix://…`, as DOCKER_HOST and `dockerEngine` take it. */
  readonly dockerHost: string;
  /** This machine as containers see it; published ports are there. */
  readonly hostAddress: string;
  /** Starts receivers without a request for each. They are containers like any other. */
  startReceivers(specs: Iterable<ReceiverSpec>): Promise<StartedReceiver[]>;
  /** Tells of every receiver that got its token, until the answer is called. */
  onDelivered(listener: (delivered: Delivered) => void): () => void;
  /** Kills what runs and removes what was made. */
  close(): Promise<void>;
}

/** So many are started or removed at once. */
const batch = 128;

/** Starts it; rejects when the socket or the addresses can't be had. */
export async function startEmbeddedEngine(
  options: EmbeddedOptions = {},
): Promise<EmbeddedEngine> {
  const parent = options.parentDir ?? tmpdir();
  await sweep(parent);
  const slice = await takeSlice();
  const dir = await mkdtemp(join(parent, folderPrefix));
  const socketPath = options.socketPath ?? join(dir, "docker.sock");
  const closing = new AbortController();
  const listeners = new Set<(delivered: Delivered) => void>();
  const { core, shut } = await makeCore({
    dir,
    slice,
    onDelivered: (delivered) => listeners.forEach((tell) => tell(delivered)),
    closed: closing.signal,
  });
  const server = apiServer([
    ...systemRoutes(core),
    ...containerRoutes(core),
    ...storeRoutes(core),
  ]);
  const { containers } = core;
  const startOne = async (spec: ReceiverSpec): Promise<StartedReceiver> => {
    const Env = Object.entries(spec.env).map(
      ([name, value]) => `${name}=${value}`,
    );
    const body = { Image: receiverImage, Labels: spec.labels, Env };
    const { container } = await containers.create(spec.name, body);
    await container.start();
    return { containerId: container.id, address: container.address ?? "" };
  };
  const close = async (): Promise<void> => {
    closing.abort();
    server.close();
    await inBatches([...containers.all], (one) =>
      containers.remove(one, true).catch(() => undefined),
    );
    server.closeAllConnections();
    await shut();
    await slice.release();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await listenAt(server, socketPath, dir);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    socketPath,
    dockerHost: `unix://${socketPath}`,
    hostAddress: core.networks.bridge.gateway,
    startReceivers: (specs) => inBatches([...specs], startOne),
    onDelivered: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close,
  };
}

async function inBatches<T, R>(
  all: readonly T[],
  work: (one: T) => Promise<R>,
): Promise<R[]> {
  const done: R[] = [];
  for (let at = 0; at < all.length; at += batch)
    done.push(...(await Promise.all(all.slice(at, at + batch).map(work))));
  return done;
}
