// The door for whoever watches the agent: /healthz, which is well only while the event stream stands and the list is
// fresh (a Docker that answers `version` may have a stream that is long dead), and /metrics. It reads no body, keeps no
// secret and takes no order.

import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { ListenAddress } from "@vaultbuddy/common";
import type { Gauge } from "@vaultbuddy/common/daemon";
import type { Meters } from "./meters.ts";
import type { WatchHealth } from "./watch.ts";

/** How long the stream may be away, and how old a list may grow. Two lists may fail before it counts. */
const STREAM_GONE = 30_000;
const LIST_OLD = 100_000;

/** What is asked when somebody looks. */
export interface HealthDeps {
  readonly watch: { health(): WatchHealth };
  readonly queue: { readonly size: number; readonly asking: number };
  readonly meters: Meters;
  /** In bytes. */
  readonly memory: () => number;
}

/** Whether the agent sees what starts, and the ages in seconds that say why. */
export function healthOf(watch: WatchHealth): {
  readonly status: "ok" | "starting" | "failing";
  readonly stream: { readonly open: boolean; readonly seconds: number };
  readonly list: { readonly done: boolean; readonly seconds: number };
} {
  const { streamAge, streamGone, listAge, listed } = watch;
  const failing =
    (streamGone ?? 0) > STREAM_GONE ||
    listAge > (listed ? LIST_OLD : STREAM_GONE);
  return {
    status: failing ? "failing" : listed ? "ok" : "starting",
    stream: {
      open: streamAge !== undefined,
      seconds: seconds(streamAge ?? streamGone ?? 0),
    },
    list: { done: listed, seconds: seconds(listAge) },
  };
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}

/** Listens. Rejects when the address cannot be had. */
export async function openHealth(
  address: ListenAddress,
  deps: HealthDeps,
): Promise<Server> {
  const server = createServer(
    { requestTimeout: 5000, headersTimeout: 5000, maxHeaderSize: 8192 },
    (request, response) => {
      answer(request, response, deps);
    },
  );
  server.maxConnections = 32;
  server.keepAliveTimeout = 5000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address.port, address.host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return server;
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  deps: HealthDeps,
): void {
  const path = request.url?.split("?")[0];
  if (request.method !== "GET" && request.method !== "HEAD") {
    end(response, 405, "text/plain", "");
  } else if (path === "/healthz") {
    const health = healthOf(deps.watch.health());
    const notices = { underWay: deps.queue.size, asking: deps.queue.asking };
    end(
      response,
      health.status === "ok" ? 200 : 503,
      "application/json",
      JSON.stringify({ ...health, notices }),
    );
  } else if (path === "/metrics") {
    const text = deps.meters.text(gauges(deps));
    end(response, 200, "text/plain; version=0.0.4; charset=utf-8", text);
  } else {
    end(response, 404, "text/plain", "");
  }
}

function end(
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
): void {
  response.writeHead(status, {
    "content-type": type,
    "cache-control": "no-store",
  });
  response.end(body);
}

function gauges({ watch, queue, memory }: HealthDeps): Gauge[] {
  const { streamAge, listAge, listed } = watch.health();
  return [
    {
      name: "stream_open",
      help: "Whether Docker's event stream stands.",
      read: () => (streamAge === undefined ? 0 : 1),
    },
    {
      name: "stream_age_seconds",
      help: "For how long the event stream has stood.",
      read: () => (streamAge === undefined ? undefined : streamAge / 1000),
    },
    {
      name: "list_age_seconds",
      help: "Time since the last list of running containers.",
      read: () => (listed ? listAge / 1000 : undefined),
    },
    {
      name: "notices_under_way",
      help: "Notices without an outcome yet.",
      read: () => queue.size,
    },
    {
      name: "notices_asking",
      help: "Notices that are with a broker.",
      read: () => queue.asking,
    },
    {
      name: "resident_memory_bytes",
      help: "Memory of the process.",
      read: memory,
    },
  ];
}
