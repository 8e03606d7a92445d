// The adapter against a Docker over a real unix socket that cuts, stalls, floods and lies.

import { createServer } from "node:net";
import { TransportError } from "@vaultbuddy/common/daemon";
import { expect, onTestFinished, test } from "vitest";
import type { ContainerEvent } from "./docker-answers.ts";
import { DockerEngine } from "./docker.ts";
import { eventLine, FakeEngine, listElement, sends } from "./testing-engine.ts";
import { containerId, ecsLabels } from "./testing.ts";

const LABELS = ["com.amazonaws.ecs.task-arn", "vaultbuddy.enable=true"];
const never = new AbortController().signal;

async function setUp(
  timeout = 2000,
): Promise<{ engine: FakeEngine; docker: DockerEngine }> {
  const engine = new FakeEngine();
  onTestFinished(() => engine.remove());
  await engine.start();
  const { socketPath } = engine;
  return { engine, docker: new DockerEngine({ socketPath }, LABELS, timeout) };
}

/** The items of a stream one by one; `done` at its end and the error's code at its failure. */
function reader(
  stream: AsyncIterable<ContainerEvent | "unreadable">,
): () => Promise<string> {
  const items = stream[Symbol.asyncIterator]();
  return async () => {
    try {
      const next = await items.next();
      if (next.done === true) {
        return "done";
      }
      const item: ContainerEvent | "unreadable" = next.value;
      return item === "unreadable"
        ? item
        : `${item.action} ${Number.parseInt(item.id, 16)}`;
    } catch {
      return "failed";
    }
  };
}

function code(error: unknown): string {
  return error instanceof TransportError
    ? error.code
    : `not a TransportError: ${String(error)}`;
}

async function failure(promise: Promise<unknown>): Promise<string> {
  return await promise.then(() => "no failure", code);
}

test("it greets with _ping and version and tells Docker's clock", async () => {
  const { engine, docker } = await setUp();
  const hello = await docker.hello(never);
  expect(hello.version).toBe("20.10.24+dfsg1");
  expect(Math.abs((hello.time ?? 0) - Date.now())).toBeLessThan(5000);
  expect(engine.asked).toEqual(["GET /_ping", "GET /version"]);
});

test("a version that cannot be read is no failure, and a Docker without a clock leaves it out", async () => {
  const { engine, docker } = await setUp();
  engine.onVersion = sends("<html>");
  engine.onPing = (_, response) => {
    response.sendDate = false;
    response.end("OK");
  };
  expect(await docker.hello(never)).toEqual({ version: "unknown" });
});

test("Docker itself filters: only starts and ends of containers with both labels are asked for", async () => {
  const { engine, docker } = await setUp();
  await docker.events("1795339155.335566008", never);
  await docker.running(never);
  const [events, list] = engine.asked.map(
    (one) => new URL(one.replace("GET ", ""), "http://docker"),
  );
  expect(events?.searchParams.get("since")).toBe("1795339155.335566008");
  expect(JSON.parse(events?.searchParams.get("filters") ?? "")).toEqual({
    type: ["container"],
    event: ["start", "die"],
    label: LABELS,
  });
  expect(JSON.parse(list?.searchParams.get("filters") ?? "")).toEqual({
    label: LABELS,
  });
  expect([...(list?.searchParams.keys() ?? [])]).toEqual(["filters"]);
});

test("events are read across chunks that end in the middle of a line and of a character", async () => {
  const { engine, docker } = await setUp();
  const next = reader(await docker.events("0", never));
  const bytes = Buffer.from(
    eventLine("start", containerId(1), { team: "größe 🦆" }) +
      eventLine("die", containerId(1), {}),
  );
  const cut = bytes.indexOf(0xf0) + 2;
  engine.say(bytes.subarray(0, cut));
  await new Promise((resolve) => setImmediate(resolve));
  engine.say(bytes.subarray(cut, cut + 90));
  engine.say(bytes.subarray(cut + 90));
  expect([await next(), await next()]).toEqual(["start 1", "die 1"]);
});

test("a huge line, HTML and half an object cost themselves, and the stream goes on", async () => {
  const { engine, docker } = await setUp();
  const next = reader(await docker.events("0", never));
  engine.say(
    eventLine("start", containerId(1), { big: "x".repeat(3_000_000) }),
  );
  engine.say("<html>502</html>\n");
  engine.say('{"Type":"container","Action":"start"}\n');
  engine.say(eventLine("exec_start: /bin/health", containerId(1), {}));
  engine.say(eventLine("start", containerId(2), {}));
  expect([await next(), await next(), await next(), await next()]).toEqual([
    "unreadable",
    "unreadable",
    "unreadable",
    "start 2",
  ]);
});

test("a stream that Docker ends is over, and one that is cut has failed", async () => {
  const { engine, docker } = await setUp();
  const first = reader(await docker.events("0", never));
  for (const stream of engine.streams) stream.end();
  expect(await first()).toBe("done");
  const second = reader(await docker.events("0", never));
  engine.say(eventLine("start", containerId(1), {}).slice(0, 100));
  engine.cut();
  expect(await second()).toBe("failed");
});

test("a stop ends a stream and a request that is waited for", async () => {
  const { engine, docker } = await setUp();
  const stop = new AbortController();
  const next = reader(await docker.events("0", stop.signal));
  engine.onList = () => undefined;
  const list = failure(docker.running(stop.signal));
  const waiting = next();
  stop.abort();
  expect(await waiting).toBe("failed");
  expect(await list).toBe("aborted");
});

test.each([
  ["an error", sends('{"message":"boom"}', 500), "http_500"],
  ["a proxy's refusal", sends("<html>403</html>", 403), "http_403"],
  ["HTML", sends("<html>hello</html>"), "not_a_list"],
  ["an object", sends('{"message":"x"}'), "not_a_list"],
  [
    "half a list",
    sends(`[${JSON.stringify(listElement(containerId(1), {}))},`),
    "not_a_list",
  ],
  ["bytes that are no UTF-8", sends("[\u{fffd}"), "not_a_list"],
])("a list that is %s is a named failure", async (_, handler, expected) => {
  const { engine, docker } = await setUp();
  engine.onList = handler;
  expect(await failure(docker.running(never))).toBe(expected);
});

test("a list that is cut off is a failure, not a short list", async () => {
  const { engine, docker } = await setUp();
  engine.onList = (_, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("[]");
    setImmediate(() => response.destroy());
  };
  expect(await failure(docker.running(never))).toBe("ECONNRESET");
});

test("a list without end is given up at its cap", async () => {
  const { engine, docker } = await setUp(20_000);
  engine.onList = (_, response) => {
    response.write("[");
    const more = (): void => {
      while (response.write(`"${"x".repeat(1_000_000)}",`));
      response.once("drain", more);
    };
    more();
  };
  expect(await failure(docker.running(never))).toBe("too_large");
});

test("an error without end costs nothing: its text is not read", async () => {
  const { engine, docker } = await setUp();
  engine.onEvents = (_, response) => {
    response.writeHead(500);
    response.write("never ending");
  };
  expect(await failure(docker.events("0", never))).toBe("http_500");
});

test("a redirect is followed nowhere, however odd", async () => {
  const { engine, docker } = await setUp();
  for (const location of ["http://127.0.0.1:1/", "ftp://x", "::::", ""]) {
    engine.onList = (_, response) => {
      response.writeHead(302, { location });
      response.end();
    };
    expect(await failure(docker.running(never))).toBe("http_302");
  }
  expect(engine.asked).toHaveLength(4);
});

test("a Docker that is silent, drips or never ends its header is given up in time", async () => {
  const { engine, docker } = await setUp(200);
  const silent = (): void => undefined;
  engine.onPing = silent;
  engine.onEvents = silent;
  engine.onList = (_, response) => {
    response.write("[");
    const timer = setInterval(() => response.write(" "), 20);
    response.on("close", () => {
      clearInterval(timer);
    });
  };
  expect(
    await Promise.all(
      [
        docker.hello(never),
        docker.events("0", never),
        docker.running(never),
      ].map((one) => failure(one)),
    ),
  ).toEqual(["timeout", "timeout", "timeout"]);
});

test("an event stream may be silent for longer than a request may last", async () => {
  const { engine, docker } = await setUp(100);
  const next = reader(await docker.events("0", never));
  setTimeout(() => {
    engine.say(eventLine("start", containerId(7), {}));
  }, 300);
  expect(await next()).toBe("start 7");
});

test("what is no HTTP at all, or wants another protocol, is a failure", async () => {
  const engine = new FakeEngine();
  onTestFinished(() => engine.remove());
  for (const greeting of [
    "SSH-2.0-OpenSSH\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
  ]) {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.resume().end(greeting);
    });
    await new Promise<void>((resolve) => {
      server.listen(engine.socketPath, resolve);
    });
    const docker = new DockerEngine(engine, LABELS, 2000);
    expect(await failure(docker.running(never))).toMatch(/^HPE_|^http_101$/);
    await new Promise((resolve) => server.close(resolve));
  }
});

test("a Docker that is gone is a failure with the system's code, and one that is back answers", async () => {
  const { engine, docker } = await setUp();
  await engine.stop();
  expect(await failure(docker.hello(never))).toBe("ENOENT");
  await engine.start();
  expect(await docker.hello(never)).toMatchObject({
    version: "20.10.24+dfsg1",
  });
});

test("an element that cannot be read costs itself, and what does not run is left out", async () => {
  const { engine, docker } = await setUp();
  const good = listElement(containerId(1), ecsLabels(1));
  engine.onList = sends(
    JSON.stringify([
      null,
      good,
      { ...good, Id: 7 },
      "x",
      { ...good, Id: containerId(2), State: "exited" },
    ]),
  );
  const listing = await docker.running(never);
  expect(listing.unreadable).toBe(3);
  expect(listing.containers).toHaveLength(1);
  expect(listing.containers[0]).toMatchObject({
    id: containerId(1),
    name: "web-1",
    uptime: { min: 3000, max: 4000 },
  });
});

test("a thousand containers are listed within the cap", async () => {
  const { engine, docker } = await setUp();
  engine.onList = sends(
    JSON.stringify(
      Array.from({ length: 1000 }, (_, n) =>
        listElement(containerId(n), ecsLabels(n)),
      ),
    ),
  );
  expect((await docker.running(never)).containers).toHaveLength(1000);
});

test("Docker is reached over TCP too, whatever the environment names", async () => {
  const engine = new FakeEngine();
  onTestFinished(() => engine.remove());
  const seen: string[] = [];
  const { createServer: createHttp } = await import("node:http");
  const server = createHttp((request, response) => {
    seen.push(request.url ?? "");
    response.end("[]");
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port =
    typeof address === "object" && address !== null ? address.port : 0;
  const docker = new DockerEngine({ host: "127.0.0.1", port }, LABELS);
  expect(await docker.running(never)).toMatchObject({ containers: [] });
  expect(seen[0]).toMatch(/^\/containers\/json\?filters=/);
});
