// Step 3 of the broker: a claim becomes a channel to the container, which proves that somebody with the family's key
// listens there. Tried until the deadline: a container needs a moment to listen, and in bridge mode Docker's proxy
// accepts before it does. Nothing is minted before a channel stands.

import net from "node:net";
import tls from "node:tls";
import { derivePsk, Refusal } from "@vaultbuddy/common";
import type { Clock, FamilyKey } from "@vaultbuddy/common";
import { pause } from "@vaultbuddy/common";

/** A connection on which one delivery may be sent. It may stand idle while Vault is slow. */
export interface Channel {
  readonly socket: net.Socket;
  readonly secure: boolean;
  close(): void;
}

/** Where and how to connect. */
export interface Dial {
  readonly host: string;
  readonly port: number;
  /** The family's active keys, each tried in turn. Empty only with `plain`. */
  readonly keys: readonly FamilyKey[];
  readonly plain: boolean;
}

export interface ConnectDeps {
  readonly clock: Clock;
  /** The TLS context all channels share: building one for each costs a millisecond of CPU. */
  readonly context: tls.SecureContext;
}

const RETRY = { first: 25, most: 500 };
const HANDSHAKE_MS = 5000;
/** Private, loopback and link-local addresses: RFC 1918, 6598, 3927, 4193, 4291. Nothing else is ever dialled. */
const dialled = new net.BlockList();
for (const [address, prefix] of [
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
] as const) {
  dialled.addSubnet(address, prefix);
}
dialled.addSubnet("fc00::", 7, "ipv6");
dialled.addSubnet("fe80::", 10, "ipv6");
dialled.addAddress("::1", "ipv6");

/** Whether an address is one the broker may dial. Names are never dialled. */
export function mayDial(host: string): boolean {
  const family = net.isIP(host);
  return family !== 0 && dialled.check(host, family === 6 ? "ipv6" : "ipv4");
}

/** The TLS context of every channel: TLS 1.3 with an external PSK, and no certificate trusted at all. */
export function channelContext(): tls.SecureContext {
  return tls.createSecureContext({
    ciphers: "PSK",
    minVersion: "TLSv1.3",
    ca: [],
    ecdhCurve: "X25519",
  });
}

/**
 * Connects, again and again until `signal` aborts. Throws Refusal `delivery_timeout` when nobody with a key of the
 * family completed a handshake by then, and `address_unknown` for an address that is not private.
 */
export async function connect(
  dial: Dial,
  deps: ConnectDeps,
  signal: AbortSignal,
): Promise<Channel> {
  if (!mayDial(dial.host)) {
    throw new Refusal(
      "address_unknown",
      "ECS names an address that is not private; only private, loopback and link-local addresses are dialled",
    );
  }
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      return await attemptOnce(dial, deps.context, attempt, signal);
    } catch {
      // Refused, reset, closed, or a handshake that failed: nobody listens there yet, or somebody without the key.
    }
    try {
      await deps.clock.sleep(pause(RETRY, attempt, deps.clock), signal);
    } catch {
      break;
    }
  }
  throw new Refusal(
    "delivery_timeout",
    "nobody with the family's key listened at the address ECS names; nothing was minted: check the container's port " +
      "mapping and security group, its WIS_HMAC_KEY, and that the entrypoint is its ENTRYPOINT",
  );
}

async function attemptOnce(
  dial: Dial,
  context: tls.SecureContext,
  attempt: number,
  signal: AbortSignal,
): Promise<Channel> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(HANDSHAKE_MS)]);
  const socket = dial.plain
    ? net.connect({ host: dial.host, port: dial.port, noDelay: true })
    : secured(dial, context, attempt);
  // A channel may die while it waits for Vault; whoever sends on it sees that then.
  socket.on("error", () => undefined);
  try {
    await standing(socket, dial.plain ? "connect" : "secureConnect", limit);
    if (socket instanceof tls.TLSSocket && !provesKey(socket)) {
      throw new Error("the peer did not use the key");
    }
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return { socket, secure: !dial.plain, close: () => socket.destroy() };
}

function secured(
  dial: Dial,
  context: tls.SecureContext,
  attempt: number,
): tls.TLSSocket {
  const key = dial.keys[attempt % dial.keys.length];
  if (key === undefined) {
    throw new Refusal(
      "delivery_timeout",
      "the broker holds no key for this family",
    );
  }
  const psk = derivePsk(key.key).expose();
  return tls.connect({
    host: dial.host,
    port: dial.port,
    secureContext: context,
    ciphers: "PSK",
    minVersion: "TLSv1.3",
    rejectUnauthorized: true,
    // There is no certificate to check: provesKey() refuses a peer that shows one.
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk, identity: key.kid }),
  });
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

function standing(
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
