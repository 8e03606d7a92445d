// Who may be at the other end of a channel: only a holder of the family's key.

import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
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
import { channelContexts, connect } from "./connect.ts";

const keyOf = (fill: number): FamilyKey =>
  deriveFamilyKey(
    new SecretBytes(Buffer.alloc(32, fill)),
    "123456789012",
    "web",
  );
const deps = { clock: systemClock, contexts: channelContexts() };
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

/** A certificate that OpenSSL made. */
function selfSigned(): { key: string; cert: string; hash: string } {
  const folder = mkdtempSync(join(tmpdir(), "vb-"));
  closing.push(() => rmSync(folder, { recursive: true }));
  const [keyFile, certFile] = [join(folder, "k.pem"), join(folder, "c.pem")];
  const options =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1";
  execFileSync(
    "openssl",
    [...options.split(" "), "-keyout", keyFile, "-out", certFile],
    { stdio: "ignore" },
  );
  const cert = readFileSync(certFile, "utf8");
  const der = new X509Certificate(cert).raw;
  const hash = createHash("sha256").update(der).digest("base64url");
  return { key: readFileSync(keyFile, "utf8"), cert, hash };
}

const dial = (
  port: number,
  keys: readonly FamilyKey[],
): Parameters<typeof connect>[0] => ({
  host: "127.0.0.1",
  port,
  by: { kind: "psk", keys: () => keys },
});

describe("a channel", () => {
  test("stands with whoever holds one of the active keys", async () => {
    const port = await listen(pskServer(keyOf(2)));
    const channel = await connect(
      dial(port, [keyOf(1), keyOf(2)]),
      deps,
      AbortSignal.timeout(5000),
    );
    expect(channel).toMatchObject({ secure: true, kid: keyOf(2).kid });
    expect(channel).not.toHaveProperty("certificate");
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
    const { key, cert } = selfSigned();
    const before = tls.getCACertificates("default");
    tls.setDefaultCACertificates([...before, cert]);
    closing.push(() => tls.setDefaultCACertificates(before));
    const server = tls.createServer({ key, cert });
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

describe("keys that are rotated", () => {
  test("all active ones are tried before anything is waited for", async () => {
    const keys = Array.from({ length: 16 }, (_, at) => keyOf(at + 1));
    const port = await listen(pskServer(keyOf(16)));
    const clock = {
      ...systemClock,
      sleep: () => Promise.reject(new Error("waited")),
    };
    const channel = await connect(
      dial(port, keys),
      { ...deps, clock },
      AbortSignal.timeout(5000),
    );
    expect(channel.kid).toBe(keyOf(16).kid);
    channel.close();
  });

  test("one that comes into force while a container is waited for is tried too", async () => {
    const port = await listen(pskServer(keyOf(2)));
    const active = [keyOf(1)];
    const clock = {
      ...systemClock,
      sleep: () => {
        active.push(keyOf(2));
        return Promise.resolve();
      },
    };
    const channel = await connect(
      { ...dial(port, []), by: { kind: "psk", keys: () => active } },
      { ...deps, clock },
      AbortSignal.timeout(5000),
    );
    expect(channel.kid).toBe(keyOf(2).kid);
    channel.close();
  });
});

describe("a channel that proves no listener", () => {
  const certificateDial = (
    port: number,
    expected?: string,
  ): Parameters<typeof connect>[0] => ({
    host: "127.0.0.1",
    port,
    by: { kind: "certificate", ...(expected && { expected }) },
  });

  test("stands under any certificate and tells its hash", async () => {
    const { key, cert, hash } = selfSigned();
    const port = await listen(tls.createServer({ key, cert }));
    for (const expected of [undefined, hash]) {
      const channel = await connect(
        certificateDial(port, expected),
        deps,
        AbortSignal.timeout(5000),
      );
      expect(channel).toMatchObject({ secure: true, certificate: hash });
      expect(channel).not.toHaveProperty("kid");
      channel.close();
    }
  });

  test("does not stand with another certificate than the one before, over TLS 1.2, or with a keyed listener", async () => {
    const { key, cert } = selfSigned();
    const other = await listen(tls.createServer({ key, cert }));
    const old = await listen(
      tls.createServer({ key, cert, maxVersion: "TLSv1.2" }),
    );
    const keyed = await listen(pskServer(keyOf(1)));
    for (const to of [
      certificateDial(other, "A".repeat(43)),
      certificateDial(old),
      certificateDial(keyed),
    ]) {
      await expect(
        connect(to, deps, AbortSignal.timeout(200)),
      ).rejects.toMatchObject({ code: "delivery_timeout" });
    }
  });
});
