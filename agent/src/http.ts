// Adapter: the two requests the agent makes over HTTP, to a broker and to the host's ECS agent. Connections to brokers are
// kept: a notice should not wait for a handshake.

import http from "node:http";
import https from "node:https";
import { ANSWER_BYTES } from "@vaultbuddy/common";
import type { Answer } from "@vaultbuddy/common/daemon";
import { METADATA_BYTES } from "./ecs-metadata.ts";
import type { Get } from "./ecs-metadata.ts";
import { exchange } from "./exchange.ts";
import type { Call } from "./exchange.ts";
import { NOTIFY_TIMEOUT } from "./notify.ts";
import type { Post } from "./notify.ts";
import { limits } from "./queue.ts";

/** How long a broker may take to accept a connection, before another one is asked. */
const CONNECT_TIMEOUT = 3000;
const METADATA_TIMEOUT = 2000;
/** How many connections to a broker are kept when a storm is over: each costs memory on both sides. */
const KEPT = 16;

/** The agent's requests; `ca` is what an https broker's certificate must come from, as PEM. */
export function openHttp(ca?: string): {
  readonly post: Post;
  readonly get: Get;
} {
  const kept = {
    keepAlive: true,
    maxSockets: limits.asking,
    maxFreeSockets: KEPT,
  };
  const plain = new http.Agent(kept);
  const secure = new https.Agent({
    ...kept,
    minVersion: "TLSv1.2",
    ...(ca === undefined ? {} : { ca }),
  });
  const once = new http.Agent({ keepAlive: false });
  const onceSecure = new https.Agent({ keepAlive: false });
  return {
    post: (url, body, signal) =>
      send(url, [plain, secure], ANSWER_BYTES, {
        method: "POST",
        body,
        signal,
        headers: { "content-type": "application/json" },
        connectTimeout: CONNECT_TIMEOUT,
        timeout: NOTIFY_TIMEOUT,
      }),
    get: (url) =>
      send(url, [once, onceSecure], METADATA_BYTES, {
        method: "GET",
        headers: {},
        connectTimeout: METADATA_TIMEOUT,
        timeout: METADATA_TIMEOUT,
      }),
  };
}

async function send(
  written: string,
  [plain, secure]: readonly [http.Agent, https.Agent],
  maxBytes: number,
  call: Omit<Call, "place" | "path" | "agent">,
): Promise<Answer> {
  const { protocol, hostname, port, pathname } = new URL(written);
  const tls = protocol === "https:";
  const place = {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? (tls ? 443 : 80) : Number(port),
  };
  const agent = tls ? secure : plain;
  return await exchange({ ...call, place, path: pathname, agent }, maxBytes);
}
