// One request, whatever the other side does: a whole answer in time, or a TransportError that names the reason.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { RequestListener } from "node:http";
import { createServer as createTcp } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TransportError } from "@vaultbuddy/common/daemon";
import { expect, onTestFinished, test } from "vitest";
import { exchange } from "./exchange.ts";
import type { Call } from "./exchange.ts";
import { openHttp } from "./http.ts";

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    if (server instanceof http.Server || server instanceof https.Server) {
      server.closeAllConnections();
    }
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function serve(listener: RequestListener): Promise<Call> {
  return call(await listening(http.createServer(listener)));
}

function call(port: number, changes: Partial<Call> = {}): Call {
  return {
    method: "POST",
    place: { host: "127.0.0.1", port },
    path: "/v1/notify",
    headers: { "content-type": "application/json" },
    body: '{"größe":1}',
    agent: new http.Agent({ keepAlive: true }),
    connectTimeout: 2000,
    timeout: 5000,
    ...changes,
  };
}

async function failure(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => "no failure",
    (error: unknown) =>
      error instanceof TransportError ? error.code : String(error),
  );
}

test("what is sent arrives whole, and the answer with its status and headers comes back", async () => {
  const one = await serve((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      response.writeHead(429, { "retry-after": "7" });
      response.end(
        `${request.method} ${request.url} ${request.headers["content-type"]} ${body}`,
      );
    });
  });
  const answer = await exchange(one, 1000);
  expect(answer.status).toBe(429);
  expect(answer.headers["retry-after"]).toBe("7");
  expect(answer.body.toString()).toBe(
    'POST /v1/notify application/json {"größe":1}',
  );
});

test("an answer of more than the cap, of no length, or without end is given up at the cap", async () => {
  const one = await serve((_, response) => {
    const more = (): void => {
      while (response.write("x".repeat(10_000)));
      response.once("drain", more);
    };
    more();
  });
  expect(await failure(exchange(one, 16_384))).toBe("too_large");
});

test.each<[string, RequestListener]>([
  ["says nothing", () => undefined],
  [
    "drips",
    (_, response) => {
      const timer = setInterval(() => response.write("x"), 20);
      response.on("close", () => {
        clearInterval(timer);
      });
    },
  ],
])("one that %s is given up at the deadline", async (_, listener) => {
  expect(
    await failure(exchange({ ...(await serve(listener)), timeout: 200 }, 1000)),
  ).toBe("timeout");
});

test("a connection that is not completed is given up long before the answer's deadline", async () => {
  // A TLS handshake that nobody answers: the connection stands, and is of no use yet.
  const port = await listening(createTcp((socket) => socket.resume()));
  const agent = new https.Agent();
  expect(
    await failure(
      exchange(
        call(port, { agent, connectTimeout: 200, timeout: 60_000 }),
        1000,
      ),
    ),
  ).toBe("timeout");
});

test("a signal ends it at once, also one that was there before", async () => {
  const stop = new AbortController();
  const arrived = Promise.withResolvers<void>();
  const one = await serve(() => {
    arrived.resolve();
  });
  const failed = failure(exchange({ ...one, signal: stop.signal }, 1000));
  await arrived.promise;
  stop.abort();
  expect(await failed).toBe("aborted");
  expect(await failure(exchange({ ...one, signal: stop.signal }, 1000))).toBe(
    "aborted",
  );
});

test.each<[string, RequestListener, RegExp]>([
  [
    "cuts its answer off",
    (_, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("x");
      setImmediate(() => response.destroy());
    },
    /^ECONNRESET$/,
  ],
  ["hangs up", (request) => request.socket.destroy(), /^ECONNRESET$/],
  ["speaks no HTTP", (request) => request.socket.end("hello\r\n"), /^HPE_/],
  [
    "sends headers without end",
    (request) => {
      request.socket.on("error", () => undefined);
      request.socket.write(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}`);
    },
    /^HPE_HEADER_OVERFLOW$/,
  ],
])("one that %s is a failure with its code", async (_, listener, code) => {
  expect(await failure(exchange(await serve(listener), 1000))).toMatch(code);
});

test("a redirect is an answer like any other", async () => {
  const seen: string[] = [];
  const one = await serve((request, response) => {
    seen.push(request.url ?? "");
    response.writeHead(307, { location: "/elsewhere" }).end();
  });
  expect((await exchange(one, 1000)).status).toBe(307);
  expect(seen).toEqual(["/v1/notify"]);
});

test("a kept connection that the other side has just closed costs nothing: the request is sent on a new one", async () => {
  let requests = 0;
  const one = await serve((request, response) => {
    requests += 1;
    if (requests === 2) {
      request.socket.destroy();
    } else {
      response.end("ok");
    }
  });
  expect((await exchange(one, 1000)).body.toString()).toBe("ok");
  expect((await exchange(one, 1000)).body.toString()).toBe("ok");
  expect(requests).toBe(3);
});

test("an https broker is believed by the authority that is given, and by no other", async () => {
  const directory = mkdtempSync(join(tmpdir(), "agent-tls-"));
  onTestFinished(() => {
    rmSync(directory, { recursive: true });
  });
  const [keyFile, certFile] = [
    join(directory, "key.pem"),
    join(directory, "cert.pem"),
  ];
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=broker",
      "-addext",
      "subjectAltName=DNS:localhost",
      "-keyout",
      keyFile,
      "-out",
      certFile,
    ],
    { stdio: "ignore" },
  );
  const [key, cert] = [
    readFileSync(keyFile, "utf8"),
    readFileSync(certFile, "utf8"),
  ];
  const port = await listening(
    https.createServer({ key, cert }, (_, response) => response.end("hello")),
  );
  const never = new AbortController().signal;
  const { post } = openHttp(cert);
  expect(
    (
      await post(`https://localhost:${port}/v1/notify`, "{}", never)
    ).body.toString(),
  ).toBe("hello");
  expect(
    await failure(post(`https://127.0.0.1:${port}/v1/notify`, "{}", never)),
  ).toBe("ERR_TLS_CERT_ALTNAME_INVALID");
  expect(
    await failure(
      openHttp().post(`https://localhost:${port}/v1/notify`, "{}", never),
    ),
  ).toBe("DEPTH_ZERO_SELF_SIGNED_CERT");
});
