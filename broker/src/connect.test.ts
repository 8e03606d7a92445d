// Who may be at the other end of a channel: only a holder of the family's key.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import {
  deriveFamilyKey,
  derivePsk,
  SecretBytes,
  systemClock,
} from "@vaultbuddy/common";
import type { FamilyKey } from "@vaultbuddy/common";
import { afterEach, describe, expect, test } from "vitest";
import { channelContext, connect, mayDial } from "./connect.ts";

const keyOf = (fill: number): FamilyKey =>
  deriveFamilyKey(
    new SecretBytes(Buffer.alloc(32, fill)),
    "123456789012",
    "web",
  );
const deps = { clock: systemClock, context: channelContext() };
const closing: (() => void)[] = [];

afterEach(() => {
  for (const close of closing.splice(0)) {
    close();
  }
});

async function listen(server: net.Server, port = 0): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  server.on("tlsClientError", () => undefined);
  closing.push(() => {
    server.close();
    for (const socket of sockets) {
      socket.destroy();
    }
  });
  await new Promise<void>((resolve) =>
    server.listen(port, "127.0.0.1", resolve),
  );
  return (server.address() as AddressInfo).port;
}

function pskServer(key: FamilyKey): tls.Server {
  return tls.createServer({
    ciphers: "PSK",
    minVersion: "TLSv1.3",
    pskCallback: (_socket, identity) =>
      identity === key.kid ? derivePsk(key.key).expose() : null,
  });
}

const dial = (
  port: number,
  keys: readonly FamilyKey[],
  plain = false,
): Parameters<typeof connect>[0] => ({
  host: "127.0.0.1",
  port,
  keys,
  plain,
});

describe("a channel", () => {
  test("stands with whoever holds one of the active keys", async () => {
    const port = await listen(pskServer(keyOf(2)));
    const channel = await connect(
      dial(port, [keyOf(1), keyOf(2)]),
      deps,
      AbortSignal.timeout(5000),
    );
    expect(channel.secure).toBe(true);
    channel.close();
  });

  test("does not stand with a listener of another key", async () => {
    const port = await listen(pskServer(keyOf(2)));
    await expect(
      connect(dial(port, [keyOf(1)]), deps, AbortSignal.timeout(300)),
    ).rejects.toMatchObject({
      code: "delivery_timeout",
    });
  });

  test("does not stand with a server that shows a certificate, even one the process trusts", async () => {
    const folder = mkdtempSync(join(tmpdir(), "vb-"));
    closing.push(() => rmSync(folder, { recursive: true }));
    const [key, cert] = [join(folder, "k.pem"), join(folder, "c.pem")];
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
        "1",
      ].concat([
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        key,
        "-out",
        cert,
      ]),
      { stdio: "ignore" },
    );
    const before = tls.getCACertificates("default");
    tls.setDefaultCACertificates([...before, readFileSync(cert, "utf8")]);
    closing.push(() => tls.setDefaultCACertificates(before));
    const server = tls.createServer({
      key: readFileSync(key),
      cert: readFileSync(cert),
    });
    let requests = 0;
    server.on("secureConnection", (socket) =>
      socket.on("data", () => (requests += 1)),
    );
    const port = await listen(server);
    await expect(
      connect(dial(port, [keyOf(1)]), deps, AbortSignal.timeout(400)),
    ).rejects.toMatchObject({
      code: "delivery_timeout",
    });
    expect(requests).toBe(0);
  });

  test("stands as soon as somebody listens", async () => {
    const placeholder = net.createServer();
    const port = await listen(placeholder);
    await new Promise((resolve) => placeholder.close(resolve));
    const waiting = connect(
      dial(port, [keyOf(1)]),
      deps,
      AbortSignal.timeout(5000),
    );
    await systemClock.sleep(60);
    await listen(pskServer(keyOf(1)), port);
    (await waiting).close();
  });

  test("is tried again when a proxy accepts and closes", async () => {
    let refused = 0;
    const inner = await listen(pskServer(keyOf(1)));
    const port = await listen(
      net.createServer((socket) => {
        if (refused < 3) {
          refused += 1;
          socket.destroy();
          return;
        }
        socket.pipe(net.connect(inner, "127.0.0.1")).pipe(socket);
      }),
    );
    (
      await connect(dial(port, [keyOf(1)]), deps, AbortSignal.timeout(5000))
    ).close();
    expect(refused).toBe(3);
  });

  test("ends at the deadline when the other side accepts and says nothing", async () => {
    const port = await listen(net.createServer());
    await expect(
      connect(dial(port, [keyOf(1)]), deps, AbortSignal.timeout(200)),
    ).rejects.toMatchObject({
      code: "delivery_timeout",
    });
  });

  test("is never dialled to a public address or a name", async () => {
    for (const host of ["8.8.8.8", "localhost", "", "2001:db8::1", "0.0.0.0"]) {
      await expect(
        connect(
          { ...dial(1, [keyOf(1)]), host },
          deps,
          AbortSignal.timeout(1000),
        ),
      ).rejects.toMatchObject({ code: "address_unknown" });
    }
  });
});

test.each([
  "10.1.2.3",
  "172.31.0.1",
  "192.168.1.1",
  "127.0.0.9",
  "169.254.1.1",
  "100.64.0.1",
  "::1",
  "fd00::1",
])("%s may be dialled", (host) => {
  expect(mayDial(host)).toBe(true);
});
