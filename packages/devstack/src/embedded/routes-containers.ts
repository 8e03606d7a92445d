// What is asked of containers, and the exact conditions of each answer.

import type { Container } from "./container.ts";
import { inspectJson, listJson } from "./container-json.ts";
import type { Core } from "./core.ts";
import { ApiFault } from "./fault.ts";
import { Filters, fuzzy } from "./filters.ts";
import type { Ask, Route } from "./http.ts";
import { type Nano, parseInstant } from "./instant.ts";
import { frame, type LogQuery, type LogStream } from "./logs.ts";
import { untar } from "./untar.ts";

const defaultGraceSeconds = 10;
const listFilters = [
  "ancestor",
  "exited",
  "health",
  "id",
  "label",
  "name",
  "network",
  "status",
  "volume",
];

export function containerRoutes(core: Core): Route[] {
  const one = (
    method: string,
    path: RegExp,
    answer: (ask: Ask, container: Container) => Promise<void> | void,
  ): Route => ({
    method,
    path,
    answer: (ask) => answer(ask, core.containers.get(ask.name)),
  });
  const silent =
    (work: (ask: Ask, container: Container) => Promise<void>) =>
    async (ask: Ask, container: Container): Promise<void> => {
      // Some clients send a body where none is looked at.
      ask.request.resume();
      await work(ask, container);
      ask.reply(204);
    };
  const grace = (ask: Ask): number => ask.integer("t") ?? defaultGraceSeconds;
  return [
    {
      method: "GET",
      path: /^\/containers\/json$/,
      answer: (ask) => list(core, ask),
    },
    {
      method: "POST",
      path: /^\/containers\/create$/,
      answer: (ask) => create(core, ask),
    },
    one("GET", /^\/containers\/(.+)\/json$/, (ask, container) =>
      ask.reply(200, inspectJson(container)),
    ),
    one(
      "POST",
      /^\/containers\/(.+)\/start$/,
      silent((_, container) => container.start()),
    ),
    one(
      "POST",
      /^\/containers\/(.+)\/stop$/,
      silent((ask, container) => container.stop(grace(ask))),
    ),
    one(
      "POST",
      /^\/containers\/(.+)\/restart$/,
      silent((ask, container) => container.restart(grace(ask))),
    ),
    one(
      "POST",
      /^\/containers\/(.+)\/kill$/,
      silent((ask, container) =>
        container.kill(ask.name, ask.query.get("signal") || "KILL"),
      ),
    ),
    one(
      "DELETE",
      /^\/containers\/(.+)$/,
      silent((ask, container) =>
        core.containers.remove(container, ask.flag("force")),
      ),
    ),
    one("POST", /^\/containers\/(.+)\/wait$/, wait),
    one("GET", /^\/containers\/(.+)\/logs$/, logs),
    one("PUT", /^\/containers\/(.+)\/archive$/, putArchive),
  ];
}

async function create(core: Core, ask: Ask): Promise<void> {
  const name = ask.query.get("name") ?? undefined;
  const body = await ask.json();
  const { container, warnings } = await core.containers.create(name, body);
  ask.reply(201, { Id: container.id, Warnings: warnings });
}

function list(core: Core, ask: Ask): void {
  const filters = Filters.parse(ask.query.get("filters"), listFilters);
  const limit = ask.integer("limit") ?? 0;
  // A filter by state or code, and a limit, look at those that don't run too.
  const all =
    ask.flag("all") ||
    limit > 0 ||
    filters.of("status").length > 0 ||
    filters.of("exited").length > 0;
  const found = [...core.containers.all]
    .filter((one) => (all || one.isRunning) && matches(one, filters))
    .toReversed();
  const shown = limit > 0 ? found.slice(0, limit) : found;
  ask.reply(
    200,
    shown.map((one) => listJson(one, core.instants)),
  );
}

function matches(one: Container, filters: Filters): boolean {
  const { made, isRunning, status } = one;
  const health = one.health?.status ?? "none";
  return (
    filters.labels(made.config.labels) &&
    filters.any("id", (wanted) => made.id.startsWith(wanted)) &&
    filters.any(
      "name",
      (wanted) => fuzzy(wanted, made.name) || fuzzy(wanted, `/${made.name}`),
    ) &&
    filters.any(
      "status",
      (wanted) => wanted === (isRunning ? "running" : status),
    ) &&
    filters.any("health", (wanted) => wanted === health) &&
    filters.any(
      "exited",
      (wanted) =>
        status === "exited" && !isRunning && Number(wanted) === one.exitCode,
    ) &&
    filters.any(
      "ancestor",
      (wanted) =>
        wanted === made.imageName ||
        wanted === made.image.id ||
        made.image.tags.has(wanted),
    ) &&
    filters.any("network", (wanted) => {
      const network = one.endpoint?.network;
      return wanted === network?.name || wanted === network?.id;
    }) &&
    filters.any("volume", (wanted) =>
      made.mounts.some(
        ({ name, target }) => wanted === name || wanted === target,
      ),
    )
  );
}

/** The header is sent at once, so that the client knows that it is being waited for. */
async function wait(ask: Ask, container: Container): Promise<void> {
  ask.request.resume();
  const condition = ask.query.get("condition") ?? "not-running";
  const waiting = container.wait(condition, ask.gone);
  const stream = ask.stream("application/json");
  const StatusCode = await waiting;
  stream.end(`${JSON.stringify({ Error: null, StatusCode })}\n`);
}

function logs(ask: Ask, container: Container): void {
  const streams: LogStream[] = [];
  if (ask.flag("stdout")) streams.push(1);
  if (ask.flag("stderr")) streams.push(2);
  if (streams.length === 0)
    throw new ApiFault(
      400,
      "Bad parameters: you must choose at least one stream",
    );
  const tail = ask.query.get("tail") ?? "all";
  const query: LogQuery = {
    streams,
    since: sinceOf(ask),
    until: parseInstant(zeroIsNone(ask.query.get("until"))),
    // Docker takes what is no number for all.
    tail: /^\d{1,9}$/.test(tail) ? Number(tail) : undefined,
  };
  const stamps = ask.flag("timestamps");
  const stream = ask.stream();
  for (const entry of container.logs.select(query))
    stream.write(frame(entry, stamps));
  if (!ask.flag("follow") || !container.isRunning) {
    stream.end();
    return;
  }
  const stop = container.logs.follow(query, (entry) => {
    // A reader that doesn't read is left behind after four mebibytes.
    if (stream.writableLength > 4 * 1_048_576) stream.destroy();
    else stream.write(frame(entry, stamps));
  });
  container
    .wait("next-exit", ask.gone)
    .finally(stop)
    .then(
      () => stream.end(),
      () => undefined,
    );
}

function sinceOf(ask: Ask): Nano | undefined {
  return parseInstant(zeroIsNone(ask.query.get("since")));
}

/** Clients write 0 where they mean nothing. */
function zeroIsNone(text: string | null): string | null {
  return text === "0" ? null : text;
}

async function putArchive(ask: Ask, container: Container): Promise<void> {
  const path = ask.query.get("path") ?? "";
  if (path === "")
    throw new ApiFault(400, "bad parameter: pathcannot be empty");
  const { root } = container.made;
  const into = root?.path(path);
  if (
    root === undefined ||
    into === undefined ||
    root.locate(path) === undefined
  )
    throw new ApiFault(
      404,
      `Could not find the file ${path} in container ${ask.name}`,
    );
  await untar(ask.request, into);
  ask.reply(200);
}
