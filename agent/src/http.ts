// Adapter: the two requests the agent makes over HTTP, to a broker and to the host's ECS agent, each with its deadline
// and cap. Connections to brokers are kept: a notice should not wait for a handshake.

import { ANSWER_BYTES } from "@vaultbuddy/common";
import { openConnections, request } from "@vaultbuddy/common/daemon";
import { METADATA_BYTES } from "./ecs-metadata.ts";
import type { Get } from "./ecs-metadata.ts";
import { NOTIFY_TIMEOUT } from "./notify.ts";
import type { Post } from "./notify.ts";
import { limits } from "./queue.ts";

/** How long a broker may take to accept a connection, before another one is asked. */
const CONNECT_TIMEOUT = 3000;
const METADATA_TIMEOUT = 2000;

/** The agent's requests; `ca` is what an https broker's certificate must come from, as PEM. */
export function openHttp(ca?: string): {
  readonly post: Post;
  readonly get: Get;
} {
  const brokers = openConnections({
    perOrigin: limits.asking,
    connectTimeout: CONNECT_TIMEOUT,
    ca,
  });
  const metadata = openConnections({
    perOrigin: 1,
    connectTimeout: METADATA_TIMEOUT,
  });
  return {
    post: (url, body, signal) =>
      request({
        method: "POST",
        url,
        body,
        signal,
        headers: { "content-type": "application/json" },
        timeout: NOTIFY_TIMEOUT,
        maxBytes: ANSWER_BYTES,
        dispatcher: brokers,
      }),
    get: (url) =>
      request({
        method: "GET",
        url,
        timeout: METADATA_TIMEOUT,
        maxBytes: METADATA_BYTES,
        dispatcher: metadata,
      }),
  };
}
