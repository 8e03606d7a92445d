// Whatever a server does, a request ends: with a whole answer or a TransportError.

import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent } from "undici";
import { afterEach, expect, test } from "vitest";
import { request } from "./http.ts";
import { TransportError } from "./transport.ts";

const servers: Server[] = [];
const dispatcher = new Agent();

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const ask = (url: string, more: object = {}): ReturnType<typeof request> =>
  request({
    method: "GET",
    url,
    timeout: 5000,
    maxBytes: 100,
    dispatcher,
    ...more,
  });

test("a whole answer is given back, and a redirect is not followed", async () => {
  const url = await serve((_request, response) => {
    response.writeHead(307, { location: "http://127.0.0.1:1/" }).end("moved");
  });
  const answer = await ask(url);
  expect([answer.status, answer.body.toString()]).toEqual([307, "moved"]);
});

test.each<[string, RequestListener, object]>([
  ["too_large", (_q, r) => r.end("x".repeat(101)), {}],
  ["timeout", () => undefined, { timeout: 50 }],
  ["timeout", (_q, r) => r.write("x"), { timeout: 50 }],
  ["aborted", () => undefined, { signal: AbortSignal.timeout(30) }],
  ["UND_ERR_SOCKET", (q) => q.socket.destroy(), {}],
  [
    "UND_ERR_SOCKET",
    (q) => q.socket.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
    {},
  ],
])("%s", async (code, listener, more) => {
  const failure = await ask(await serve(listener), more).catch(
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(TransportError);
  if (code !== "aborted") {
    expect(failure).toMatchObject({ code });
  }
});

test("nobody listening is told by the system's code", async () => {
  const url = await serve(() => undefined);
  await new Promise((resolve) => servers.pop()?.close(resolve));
  await expect(ask(url)).rejects.toMatchObject({ code: "ECONNREFUSED" });
});
