// The health check's question and its answers, against servers of every kind.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createSilent } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { ask, healthUrl, isDaemon } from "./health.ts";

describe("the address asked", () => {
  test("is where each daemon listens by itself", () => {
    expect(healthUrl("broker", {})).toBe("http://127.0.0.1:9201/healthz");
    expect(healthUrl("agent", {})).toBe("http://127.0.0.1:9203/healthz");
  });

  test("follows the daemon's own setting", () => {
    expect(healthUrl("broker", { LISTEN_ADDR: "0.0.0.0:80" })).toBe(
      "http://127.0.0.1:80/healthz",
    );
    expect(healthUrl("broker", { LISTEN_ADDR: "10.0.0.7:80" })).toBe(
      "http://10.0.0.7:80/healthz",
    );
    expect(healthUrl("agent", { AGENT_LISTEN: "[::1]:9" })).toBe(
      "http://[::1]:9/healthz",
    );
  });

  test("is https where the broker has a certificate", () => {
    expect(healthUrl("broker", { TLS_CERT: "/cert.pem" })).toMatch(/^https:/);
    expect(healthUrl("agent", { TLS_CERT: "/cert.pem" })).toMatch(/^http:/);
  });

  test("is there for the two daemons only", () => {
    expect(["broker", "agent", "toString", undefined].map(isDaemon)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe("the answer", () => {
  const closing: (() => void)[] = [];
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });

  async function listening(server: {
    listen(port: number, host: string, done: () => void): unknown;
    address(): string | AddressInfo | null;
    close(): unknown;
  }): Promise<string> {
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    closing.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/healthz`;
  }

  test("is the status", async () => {
    const server = createServer((request, response) => {
      response.writeHead(request.url === "/healthz" ? 503 : 404).end("no");
    });
    expect(await ask(await listening(server))).toBe(503);
  });

  test("is a failure when nobody listens", async () => {
    const server = createServer();
    const url = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    await expect(ask(url)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  test("is a failure when the connection is cut", async () => {
    const url = await listening(
      createSilent((socket) => {
        socket.destroy();
      }),
    );
    await expect(ask(url)).rejects.toMatchObject({ code: "ECONNRESET" });
  });
});
