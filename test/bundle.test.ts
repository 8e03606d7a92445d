// The contract of the bundle: in front of any image, whatever the image sets, the command finds everything as it would
// be without the entrypoint. A probe prints all that a process can see of its start; the two outputs are equal.

import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Kit, madeKinds, noBundle } from "./bundle/kit.ts";
import type { Start } from "./bundle/kit.ts";
import type { Kind } from "./bundle/roots.ts";
import { run } from "./bundle/docker.ts";

const warning =
  "vaultbuddy-entrypoint: warn: WIS_MODE=off: the command starts without any secret\n";

/** Values that would break a Node, a loader or an OpenSSL that took them. */
const hostile = {
  LD_PRELOAD: "/no/such/library.so",
  LD_LIBRARY_PATH: "/proc/self/cwd",
  LD_BIND_NOW: "1",
  LD_DEBUG: "all",
  GLIBC_TUNABLES: "glibc.malloc.check=3",
  NODE_OPTIONS: "--require /no/such/module.js",
  NODE_EXTRA_CA_CERTS: "/no/such/ca.pem",
  NODE_TLS_REJECT_UNAUTHORIZED: "0",
  NODE_DEBUG: "net,http,tls",
  NODE_V8_COVERAGE: "/coverage",
  NODE_PATH: "/no/such/modules",
  NODE_PENDING_DEPRECATION: "1",
  OPENSSL_CONF: "/no/such/openssl.cnf",
  OPENSSL_MODULES: "/no/such",
  SSL_CERT_FILE: "/no/such/ca.pem",
  SSL_CERT_DIR: "/no/such",
  SSLKEYLOGFILE: "/keys.log",
  UV_THREADPOOL_SIZE: "zero",
  HTTPS_PROXY: "http://127.0.0.1:1",
};
const environment = (pairs: Readonly<Record<string, string>>): string[] =>
  Object.entries(pairs).flatMap(([name, value]) => ["-e", `${name}=${value}`]);

const probeOf = (kind: Kind): string =>
  kind === "scratch" || kind === "busybox" ? "/probe" : "probe-libc";

describe.skipIf(noBundle)("in front of any image", () => {
  let kit: Kit;
  beforeAll(async () => {
    kit = await Kit.make();
  }, 120_000);
  afterAll(() => kit?.close());

  /** The two outputs, and what the entrypoint itself said. */
  async function expectSame(kind: Kind, start: Start): Promise<string> {
    const [direct, behind] = await Promise.all([
      kit.direct(kind, start),
      kit.behind(kind, start),
    ]);
    const { command } = start;
    expect(direct.code, direct.stderr).toBe(0);
    expect(behind.stdout).toBe(direct.stdout);
    expect(behind.code, `${command.join(" ")}: ${behind.stderr}`).toBe(0);
    return behind.stdout;
  }

  describe.each(madeKinds)("%s", (kind) => {
    test("the command sees no difference", async () => {
      const command = [probeOf(kind), "-c", "an argument", "", "ü"];
      const start = { command };
      const [direct, behind] = await Promise.all([
        kit.direct(kind, start),
        kit.behind(kind, start),
      ]);
      console.log(direct.stdout.length);
    });
  });
});
