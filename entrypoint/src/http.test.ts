import { createServer } from "node:http";
import type { RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { Client } from "./http.ts";

const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

async function serve(listener: RequestListener) {
  const server = createServer(listener);
  let connections = 0;
  server.on("connection", () => (connections += 1));
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const client = new Client(`http://127.0.0.1:${port}/base/`);
  closing.push(() => {
    client.close();
    server.closeAllConnections();
    server.close();
  });
  const get = (
    path: string,
    most = 1000,
    signal = AbortSignal.timeout(10_000),
  ) => client.ask({ method: "GET", path, headers: {}, most, signal });
  return { client, get, connections: () => connections };
}

test("requests go below the address's own path, over connections that are kept", async () => {
  const { client, get, connections } = await serve((request, response) =>
    response.end(request.url),
  );
  client.warm(1);
  expect((await get("/a")).body.toString()).toBe("/base/a");
  expect((await get("/b?c")).body.toString()).toBe("/base/b?c");
  expect(connections()).toBe(1);
});

test("connections that were opened before are used by requests at the same time", async () => {
  const { client, get, connections } = await serve((_request, response) =>
    response.end(),
  );
  client.warm(3);
  client.warm(3);
  await Promise.all([get("/1"), get("/2"), get("/3")]);
  expect(connections()).toBe(3);
});

test("a redirect is an answer like any other", async () => {
  const { get } = await serve((_request, response) => {
    response.writeHead(307, { location: "/elsewhere" }).end();
  });
  expect((await get("/")).status).toBe(307);
});

test("an answer that is too large is not read to its end", async () => {
  const { get } = await serve((_request, response) => {
    response.write("x".repeat(2000));
  });
  await expect(get("/")).rejects.toThrow(RangeError);
});

test("an answer that does not come ends with the signal", async () => {
  const { get } = await serve(() => undefined);
  const stop = new AbortController();
  const asked = get("/", 1000, stop.signal);
  stop.abort();
  await expect(asked).rejects.toThrow();
});

test("half an answer is none", async () => {
  const { get } = await serve((_request, response) => {
    response.writeHead(200, { "content-length": 10 });
    response.write("half");
    setImmediate(() => response.destroy());
  });
  await expect(get("/")).rejects.toThrow();
});

test("a CA that is no certificate is refused when the client is made", () => {
  expect(
    () =>
      new Client(
        "https://vault",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
      ),
  ).toThrow();
});
