// Step 3 of the broker: a claim becomes a channel to the container. Under the family's key it proves who listens there;
// under a certificate it only tells what to name in the delivery. Tried until the deadline: a container needs a moment to
// listen, and in bridge mode Docker's proxy accepts before it does. Nothing is minted before a channel stands.

import net from "node:net";
import tls from "node:tls";
import { certificateHash, derivePsk, pause, Refusal } from "@vaultbuddy/common";
import type { Clock, FamilyKey } from "@vaultbuddy/common";
import { isDialable } from "./dialable.ts";

/** A connection on which one delivery may be sent. It may stand idle while Vault is slow. */
export interface Channel {
  readonly socket: net.Socket;
  readonly secure: boolean;
  /** The id of the family's key that the other side holds. */
  readonly kid?: string;
  /** The hash of the certificate that the other side showed, as a delivery names it. */
  readonly certificate?: string;
  close(): void;
}

/** Where and how to connect. */
export interface Dial {
  readonly host: string;
  readonly port: number;
  readonly by: Protection;
}

/** What the channel is protected by. */
type Protection =
  /** The family's active keys, asked for anew in each round and tried in turn. */
  | { readonly kind: "psk"; readonly keys: () => readonly FamilyKey[] }
  /** Any certificate, or the one that was shown before. */
  | { readonly kind: "certificate"; readonly expected?: string }
  | { readonly kind: "plain" };

export interface ConnectDeps {
  readonly clock: Clock;
  readonly contexts: ChannelContexts;
}

/** The TLS contexts that all channels share: building one for each costs a millisecond of CPU. */
export interface ChannelContexts {
  readonly psk: tls.SecureContext;
  readonly certificate: tls.SecureContext;
}

const RETRY = { first: 25, most: 500 };
const HANDSHAKE_MS = 5000;
/** TLS 1.3, with an external PSK or without, and no certificate trusted at all. */
export function channelContexts(): ChannelContexts {
  const common: tls.SecureContextOptions = {
    minVersion: "TLSv1.3",
    ca: [],
    ecdhCurve: "X25519",
  };
  return {
    psk: tls.createSecureContext({ ...common, ciphers: "PSK" }),
    certificate: tls.createSecureContext(common),
  };
}

/**
 * Connects, again and again until `signal` aborts. Throws Refusal `delivery_timeout` when nobody completed the handshake
 * by then, and `address_unknown` for an address that is not private.
 */
export async function connect(
  dial: Dial,
  deps: ConnectDeps,
  signal: AbortSignal,
): Promise<Channel> {
  if (!isDialable(dial.host)) {
    throw new Refusal(
      "address_unknown",
      "ECS names an address that is not private; only private, loopback and link-local addresses are dialled",
    );
  }
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    const channel = await round(dial, deps.contexts, signal);
    if (channel !== undefined) {
      return channel;
    }
    try {
      await deps.clock.sleep(pause(RETRY, attempt, deps.clock), signal);
    } catch {
      break;
    }
  }
  throw new Refusal("delivery_timeout", NOBODY[dial.by.kind]);
}

const CHECK =
  "listened at the address ECS names; nothing was minted: check the container's port mapping and security group, ";
const NOBODY: Readonly<Record<Protection["kind"], string>> = {
  psk: `nobody with the family's key ${CHECK}its WIS_HMAC_KEY, and that the entrypoint is its ENTRYPOINT`,
  certificate: `nobody with a certificate ${CHECK}its WIS_PUBLIC_KEY, and that the entrypoint is its ENTRYPOINT`,
  plain: `nobody ${CHECK}and that the entrypoint is its ENTRYPOINT`,
};

/** One try with each key that is active now. Undefined when none led to a channel. */
async function round(
  { host, port, by }: Dial,
  contexts: ChannelContexts,
  signal: AbortSignal,
): Promise<Channel | undefined> {
  const tries =
    by.kind === "psk"
      ? by.keys().map((key) => () => keyed(host, port, key, contexts, signal))
      : by.kind === "certificate"
        ? [() => certified(host, port, by.expected, contexts, signal)]
        : [() => inTheClear(host, port, signal)];
  for (const one of tries) {
    try {
      return await one();
    } catch (error) {
      // Refused, reset, closed, or a handshake that failed: nobody listens there yet, or somebody without the key.
      if (
        signal.aborted ||
        (error instanceof Error &&
          Reflect.get(error, "code") === "ECONNREFUSED")
      ) {
        return undefined;
      }
    }
  }
  return undefined;
}

async function inTheClear(
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<Channel> {
  const socket = net.connect({ host, port, noDelay: true });
  await standing(socket, "connect", signal);
  return { socket, secure: false, close: () => socket.destroy() };
}

async function keyed(
  host: string,
  port: number,
  key: FamilyKey,
  { psk: secureContext }: ChannelContexts,
  signal: AbortSignal,
): Promise<Channel> {
  const psk = derivePsk(key.key).expose();
  const socket = tls.connect({
    host,
    port,
    secureContext,
    ciphers: "PSK",
    minVersion: "TLSv1.3",
    rejectUnauthorized: true,
    // There is no certificate to check: provesKey() refuses a peer that shows one.
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk, identity: key.kid }),
  });
  await standing(socket, "secureConnect", signal);
  if (!provesKey(socket)) {
    socket.destroy();
    throw new Error("the peer did not use the key");
  }
  const { kid } = key;
  return { socket, secure: true, kid, close: () => socket.destroy() };
}

/**
 * Whoever listens may show any certificate: it is no proof of who he is. Its hash goes into the signed delivery, so that
 * a container to which somebody else passes the delivery on sees that it was not said to itself.
 */
async function certified(
  host: string,
  port: number,
  expected: string | undefined,
  { certificate: secureContext }: ChannelContexts,
  signal: AbortSignal,
): Promise<Channel> {
  const socket = tls.connect({
    host,
    port,
    secureContext,
    minVersion: "TLSv1.3",
    rejectUnauthorized: false,
  });
  await standing(socket, "secureConnect", signal);
  const shown = socket.getPeerX509Certificate();
  const certificate = shown && certificateHash(shown.raw);
  // A resumed session would prove nothing of the certificate it names.
  if (
    certificate === undefined ||
    socket.isSessionReused() ||
    (expected !== undefined && certificate !== expected)
  ) {
    socket.destroy();
    throw new Error("the peer showed no certificate, or another one");
  }
  return { socket, secure: true, certificate, close: () => socket.destroy() };
}

/**
 * Without this a server with any trusted certificate instead of the key would be accepted: OpenSSL falls back to a
 * certificate when the server ignores the offered PSK. A PSK handshake counts as a resumed session (RFC 8446 2.2).
 */
function provesKey(socket: tls.TLSSocket): boolean {
  const certificate = socket.getPeerCertificate();
  return (
    socket.isSessionReused() &&
    (certificate === null || Object.keys(certificate).length === 0)
  );
}

/** Waits for a connection to stand; destroys it otherwise. */
async function standing(
  socket: net.Socket,
  event: "connect" | "secureConnect",
  until: AbortSignal,
): Promise<void> {
  const signal = AbortSignal.any([until, AbortSignal.timeout(HANDSHAKE_MS)]);
  // A channel may die while it waits for Vault; whoever sends on it sees that then.
  socket.on("error", () => undefined);
  try {
    await happened(socket, event, signal);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function happened(
  socket: net.Socket,
  event: "connect" | "secureConnect",
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error): void => {
      signal.removeEventListener("abort", aborted);
      socket.off(event, ready).off("error", done).off("close", closed);
      if (error === undefined) {
        resolve();
      } else {
        reject(error);
      }
    };
    const ready = (): void => done();
    const closed = (): void => done(new Error("closed"));
    const aborted = (): void => done(new Error("aborted"));
    socket.once(event, ready).once("error", done).once("close", closed);
    signal.addEventListener("abort", aborted, { once: true });
    if (signal.aborted) {
      aborted();
    }
  });
}
