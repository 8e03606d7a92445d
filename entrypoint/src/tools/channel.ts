// The sender's end of the channel: TLS 1.3 with the container's key, tried until the deadline, because a container needs a
// moment to listen and Docker's proxy accepts before it does. Whoever does not hold the key finishes no handshake.

import { connect as connectTls } from "node:tls";
import type { TLSSocket } from "node:tls";
import { derivePsk, pause } from "@vaultbuddy/common";
import type { Clock, FamilyKey } from "@vaultbuddy/common";

/** Where the container listens. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

const RETRY = { first: 25, most: 500 };
/** One try, in milliseconds. */
const TRY = 5000;

/** Nobody who holds the key was reached in time. The message says what was seen last. */
export class Unreached extends Error {
  override readonly name = "Unreached";
}

/** Connects, again and again until `signal` aborts. `note` is told when what stands in the way changes. */
export async function reach(
  place: Place,
  key: FamilyKey,
  clock: Pick<Clock, "sleep" | "random">,
  note: (obstacle: string) => void,
  signal: AbortSignal,
): Promise<TLSSocket> {
  let seen = "nothing was seen of it";
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      return await once(place, key, signal);
    } catch (error) {
      if (!signal.aborted) {
        const obstacle = obstacleOf(error);
        if (obstacle !== seen) {
          seen = obstacle;
          note(obstacle);
        }
      }
    }
    await clock
      .sleep(pause(RETRY, attempt, clock), signal)
      .catch(() => undefined);
  }
  throw new Unreached(seen);
}

function once(
  { host, port }: Place,
  key: FamilyKey,
  until: AbortSignal,
): Promise<TLSSocket> {
  const psk = derivePsk(key.key).expose();
  const signal = AbortSignal.any([until, AbortSignal.timeout(TRY)]);
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host,
      port,
      ciphers: "PSK",
      minVersion: "TLSv1.3",
      ecdhCurve: "X25519",
      ca: [],
      rejectUnauthorized: true,
      // There is no certificate to check: provesKey() refuses a peer that shows one.
      checkServerIdentity: () => undefined,
      pskCallback: () => ({ psk, identity: key.kid }),
    });
    const fail = (error: Error): void => {
      signal.removeEventListener("abort", aborted);
      socket.destroy();
      reject(error);
    };
    const aborted = (): void => fail(new Error("aborted"));
    // It stays: a channel may break at any later moment, and whoever uses it learns of that by "close".
    socket.on("error", fail);
    socket.once("close", () => fail(new Error("closed")));
    socket.once("secureConnect", () => {
      if (provesKey(socket)) {
        signal.removeEventListener("abort", aborted);
        resolve(socket);
      } else {
        fail(Object.assign(new Error("no proof"), { code: "ERR_SSL_NO_PSK" }));
      }
    });
    signal.addEventListener("abort", aborted, { once: true });
    if (signal.aborted) {
      aborted();
    }
  });
}

/** A PSK handshake counts as a resumed session (RFC 8446 section 2.2) and shows no certificate. */
function provesKey(socket: TLSSocket): boolean {
  const certificate: object | null = socket.getPeerCertificate();
  return (
    socket.isSessionReused() &&
    (certificate === null || Object.keys(certificate).length === 0)
  );
}

/** What stands in the way, by the system's code; never by a message, which may hold anything. */
function obstacleOf(error: unknown): string {
  const code: unknown =
    error instanceof Error ? Reflect.get(error, "code") : undefined;
  switch (typeof code === "string" ? code : "") {
    case "ECONNREFUSED":
      return "nobody listens there";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "its name is not known here";
    case "ENETUNREACH":
    case "EHOSTUNREACH":
    case "ETIMEDOUT":
      return "there is no way to it";
    default:
      return typeof code === "string" && code.startsWith("ERR_SSL")
        ? "whoever listens there does not hold this key (WIS_HMAC_KEY), or is no entrypoint"
        : "whoever listens there closes the connection: no container, or one that does not wait yet";
  }
}
