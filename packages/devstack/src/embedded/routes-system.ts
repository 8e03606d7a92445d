// What the agent asks first, and the stream it lives on: _ping, version, info, events.

import { arch, cpus, release, totalmem } from "node:os";
import type { Core } from "./core.ts";
import { Subscription } from "./events.ts";
import { ApiFault } from "./fault.ts";
import { Filters } from "./filters.ts";
import { apiVersion, type Ask, engineVersion, type Route } from "./http.ts";
import { iso, type Nano, parseInstant } from "./instant.ts";

export function systemRoutes(core: Core): Route[] {
  return [
    { method: "GET", path: /^\/_ping$/, answer: ping },
    { method: "HEAD", path: /^\/_ping$/, answer: ping },
    {
      method: "GET",
      path: /^\/version$/,
      answer: (ask) => ask.reply(200, version()),
    },
    {
      method: "GET",
      path: /^\/info$/,
      answer: (ask) => ask.reply(200, info(core)),
    },
    {
      method: "GET",
      path: /^\/events$/,
      answer: (ask) => events(core, ask),
    },
  ];
}

function ping(ask: Ask): void {
  const body = ask.request.method === "HEAD" ? undefined : "OK";
  ask.response.setHeader(
    "Cache-Control",
    "no-cache, no-store, must-revalidate",
  );
  ask.response.setHeader("Pragma", "no-cache");
  ask.response.setHeader("Content-Length", body?.length ?? 0);
  ask.stream("text/plain; charset=utf-8").end(body);
}

function goArch(): string {
  return arch() === "x64" ? "amd64" : arch();
}

function version(): unknown {
  return {
    Platform: { Name: "vaultbuddy devstack: an embedded engine, not Docker" },
    Components: [],
    Version: engineVersion,
    ApiVersion: apiVersion,
    MinAPIVersion: "1.12",
    GitCommit: "",
    GoVersion: "",
    Os: "linux",
    Arch: goArch(),
    KernelVersion: release(),
  };
}

function info({ containers, images, events, instants, closed }: Core): unknown {
  const all = [...containers.all];
  const running = all.filter(({ isRunning }) => isRunning).length;
  return {
    ID: "EMBEDDED",
    Name: "embedded",
    Containers: all.length,
    ContainersRunning: running,
    ContainersPaused: 0,
    ContainersStopped: all.length - running,
    Images: images.list().length,
    Driver: "embedded",
    NEventsListener: events.listeners,
    KernelVersion: release(),
    OperatingSystem: "vaultbuddy devstack: an embedded engine, not Docker",
    OSType: "linux",
    Architecture: goArch(),
    NCPU: cpus().length,
    MemTotal: totalmem(),
    ServerVersion: engineVersion,
    SystemTime: iso(instants.now()),
    LoggingDriver: "json-file",
    Warnings: closed.aborted ? ["closing"] : null,
  };
}

/** The stream: what the ring still has since then, then what comes, until `until` or the client's end. */
function events(core: Core, ask: Ask): void {
  const since = parseInstant(ask.query.get("since"));
  const until = parseInstant(ask.query.get("until"));
  if (since !== undefined && until !== undefined && until < since)
    throw new ApiFault(
      400,
      `\`since\` time (${ask.query.get("since")}) cannot be after \`until\` time (${ask.query.get("until")})`,
    );
  const filters = Filters.parse(ask.query.get("filters"));
  const stream = ask.stream("application/json");
  const subscription = new Subscription({
    write: (line) => stream.write(line),
  });
  stream.on("drain", () => subscription.drained());
  // At most the ring's 256: they are written whatever the reader's pace, so that none is lost when the stream ends here.
  for (const line of core.events.replay(filters, since, until))
    stream.write(line);
  const now = core.instants.now();
  if (until !== undefined && until <= now) {
    stream.end();
    return;
  }
  core.events.subscribe(subscription, filters);
  const over =
    until === undefined
      ? core.closed
      : AbortSignal.any([core.closed, AbortSignal.timeout(span(until - now))]);
  const end = (): void => {
    core.events.unsubscribe(subscription);
    stream.end();
  };
  over.addEventListener("abort", end, { once: true });
  ask.gone.addEventListener(
    "abort",
    () => {
      core.events.unsubscribe(subscription);
      over.removeEventListener("abort", end);
    },
    { once: true },
  );
}

function span(nano: Nano): number {
  return Math.min(Number(nano / 1_000_000n) + 1, 2 ** 31 - 1);
}
