// Staying on, in real containers: signals, orphans and exit status in front of any image, and a Vault in which things
// change while the command runs.

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FakeVault, respond } from "../entrypoint/src/process/fake-vault.ts";
import {
  deliveryFor,
  freePort,
  post,
  settingsFor,
  sign,
} from "../entrypoint/src/process/harness.ts";
import { until } from "@vaultbuddy/devstack";
import { must, run, words } from "./bundle/docker.ts";
import { Kit, madeKinds, noBundle } from "./bundle/kit.ts";

describe.skipIf(noBundle)("a command that is kept", () => {
  let kit: Kit;
  beforeAll(async () => {
    kit = await Kit.make();
    await must("musl-gcc", [
      ...words("-std=c11 -Os -static -Wall -Wextra -Werror -o"),
      join(kit.out, "kept"),
      fileURLToPath(new URL("bundle/kept.c", import.meta.url)),
    ]);
  }, 180_000);
  afterAll(() => kit?.close());

  /** Arguments of docker that keep /apps/kept, from `image` on. */
  const kept = (
    image: string,
    env: Readonly<Record<string, string>>,
    ...what: string[]
  ): string[] => [
    ...kit.mount,
    "-v",
    `${kit.out}:/apps:ro`,
    ...Object.entries({
      WIS_SUPERVISE: "true",
      WIS_LOG_LEVEL: "info",
      ...env,
    }).flatMap(([name, value]) => ["-e", `${name}=${value}`]),
    image,
    "/vaultbuddy/entrypoint",
    "/apps/kept",
    ...what,
  ];
  const off = { WIS_MODE: "off" };

  /** Starts it; resolves with its id when it has said `word`. */
  async function started(args: readonly string[], word: string) {
    const id = await must("docker", ["run", "-d", ...args]);
    await says(id, word);
    return id;
  }
  async function logs(id: string): Promise<string> {
    const { stdout, stderr } = await run("docker", ["logs", id]);
    return stdout + stderr;
  }
  const says = (id: string, word: string) =>
    until(
      async () => ((await logs(id)).includes(word) ? true : undefined),
      async () => `it never said ${word}: ${await logs(id)}`,
      30_000,
    );

  describe.each(madeKinds)("in front of %s", (kind) => {
    const confined = words("run --rm --network none --read-only --user 4711");

    test("ends as its command did: with a code, or 128 + n for a signal", async () => {
      const how = async (...what: string[]): Promise<number> => {
        const args = kept(kit.image(kind), off, ...what);
        return (await run("docker", [...confined, ...args])).code;
      };
      expect(await Promise.all([how("exit", "0"), how("exit", "42")])).toEqual([
        0, 42,
      ]);
      expect(
        await Promise.all([how("raise", "9"), how("raise", "15")]),
      ).toEqual([137, 143]);
    });

    test("reaps what its command leaves behind", async () => {
      const args = kept(kit.image(kind), off, "orphans", "20");
      for (const init of [[], ["--init"]]) {
        const ran = await run("docker", [...confined, ...init, ...args]);
        expect(ran.stdout, ran.stderr).toBe("zombies 0\n");
      }
    });
  });

  test("which nobody does for a command that is a container's first process", async () => {
    const ran = await run("docker", [
      ...words("run --rm --network none"),
      "-v",
      `${kit.out}:/apps:ro`,
      kit.image("scratch"),
      ...words("/apps/kept orphans 20"),
    ]);
    expect(ran.stdout, ran.stderr).toBe("zombies 20\n");
  });

  test("says so where there is no such command", async () => {
    const args = [
      ...kit.mount,
      ...words("-e WIS_SUPERVISE=true -e WIS_MODE=off"),
    ];
    const ran = await run("docker", [
      ...words("run --rm --network none"),
      ...args,
      kit.image("scratch"),
      ...words("/vaultbuddy/entrypoint /no/such"),
    ]);
    expect(ran.code).toBe(127);
  });

  test("hands every signal on but those about its own children and terminal", async () => {
    const id = await started(
      kept(kit.image("scratch"), off, "signals"),
      "ready",
    );
    const own = [9, 17, 19, 21, 22];
    // 32 to 34 belong to C libraries.
    const numbers = Array.from({ length: 64 }, (_, at) => at + 1).filter(
      (one) => one !== 15 && !own.includes(one) && !(one >= 32 && one <= 34),
    );
    for (const number of numbers) {
      await must("docker", ["kill", "-s", String(number), id]);
    }
    await says(id, "signal 64");
    await must("docker", ["kill", "-s", "TERM", id]);
    expect(await must("docker", ["wait", id])).toBe("7");
    const seen = [...(await logs(id)).matchAll(/^signal (\d+)$/gm)];
    expect(
      seen.map(([, number]) => Number(number)).toSorted((a, b) => a - b),
    ).toEqual([...numbers, 15].toSorted((a, b) => a - b));
    await run("docker", ["rm", "-f", id]);
  }, 60_000);

  test("kills a command that does not end after SIGTERM, in its time", async () => {
    const env = { ...off, WIS_STOP_TIME: "200ms" };
    const id = await started(kept(kit.image("scratch"), env, "deaf"), "ready");
    await must("docker", ["kill", "-s", "TERM", id]);
    expect(await must("docker", ["wait", id])).toBe("137");
    await run("docker", ["rm", "-f", id]);
  });

  test("goes on with its command when the part that speaks with Vault is gone", async () => {
    const id = await started(
      kept(kit.image("busybox"), off, "signals"),
      "ready",
    );
    const pids = await must("docker", [
      ...words(`exec ${id} /bin/busybox pidof vaultbuddy-entrypoint node`),
    ]);
    await must("docker", words(`exec ${id} /bin/busybox kill -9 ${pids}`));
    await says(id, "the command goes on");
    await must("docker", ["kill", "-s", "TERM", id]);
    expect(await must("docker", ["wait", id])).toBe("7");
    await run("docker", ["rm", "-f", id]);
  });

  test.each([
    ["SIGTERM", 143],
    ["SIGQUIT", 131],
    ["SIGUSR1", 138],
    ["37", 165],
  ])(
    "ends at once for %s before its command runs, with %i",
    async (signal, code) => {
      const env = { ...settingsFor(await vaultWith({})), WIS_LISTEN: ":0" };
      const id = await started(
        [
          ...words(`--network none --stop-signal ${signal}`),
          ...kept(kit.image("scratch"), env, "signals"),
        ],
        "waiting for the delivery",
      );
      await must("docker", ["stop", "-t", "60", id]);
      expect(await must("docker", ["wait", id])).toBe(String(code));
      await run("docker", ["rm", "-f", id]);
    },
  );

  const vaults: FakeVault[] = [];
  afterAll(() => vaults.forEach((vault) => vault.stop()));
  async function vaultWith(
    secrets: Readonly<Record<string, unknown>>,
  ): Promise<FakeVault> {
    const vault = await new FakeVault().start();
    vaults.push(vault);
    for (const [path, value] of Object.entries(secrets)) {
      vault.secrets.set(path, value);
    }
    vault.mint("wrap-1");
    return vault;
  }

  /** Starts a container in this machine's network and delivers to it; resolves with its id when its command shows. */
  async function served(
    vault: FakeVault,
    env: Readonly<Record<string, string>>,
    word: string,
  ): Promise<string> {
    const port = await freePort();
    const { PATH: _, ...settings } = settingsFor(vault);
    const id = await started(
      [
        "--network",
        "host",
        ...kept(
          kit.image("scratch"),
          {
            ...settings,
            WIS_LISTEN: `127.0.0.1:${port}`,
            WIS_POLL: "1s",
            WIS_LOG_LEVEL: "info",
            ...env,
          },
          "show",
          "PASSWORD",
        ),
      ],
      "waiting for the delivery",
    );
    expect((await post(port, sign(deliveryFor(vault, "wrap-1")))).status).toBe(
      200,
    );
    await says(id, word);
    return id;
  }

  test("starts its command anew when a secret has changed, and ends the token with it", async () => {
    const vault = await vaultWith({
      "secret/db": { password: "one", other: 1 },
    });
    const id = await served(
      vault,
      { PASSWORD: "vault:secret/db#password" },
      "shows one",
    );
    const reads = () =>
      vault.paths().filter((path) => path === "secret/data/db").length;
    vault.secrets.set("secret/db", { password: "one", other: 2 });
    const before = reads();
    await until(
      () => Promise.resolve(reads() >= before + 2 ? true : undefined),
      () => Promise.resolve("it is not read anew"),
      20_000,
    );
    expect(await logs(id)).not.toContain("restarting");
    expect(vault.tokens.size).toBe(1);
    vault.secrets.set("secret/db", { password: "two" });
    await says(id, "shows two");
    await must("docker", ["stop", id]);
    expect(await must("docker", ["wait", id])).toBe("143");
    expect(vault.tokens.size).toBe(0);
    expect(vault.paths().at(-1)).toBe("auth/token/revoke-self");
    await run("docker", ["rm", "-f", id]);
  }, 60_000);

  test("renews a lease, gets another when that is refused, and ends when the token cannot be renewed", async () => {
    const vault = await vaultWith({});
    let made = 0;
    vault.override("sys/internal/ui/mounts/db/*", (_seen, response) =>
      respond(response, 200, {
        data: { type: "database", path: "db/", options: null },
      }),
    );
    vault.override("db/creds/web", (_seen, response) => {
      made += 1;
      return respond(response, 200, {
        lease_id: `db/creds/web/${made}`,
        renewable: true,
        lease_duration: 2,
        data: { password: `made-${made}` },
      });
    });
    let renewals = 0;
    vault.override("sys/leases/renew", ({ body }, response) => {
      renewals += 1;
      return body.includes("db/creds/web/1") && renewals > 1
        ? respond(response, 400, { errors: ["lease expired"] })
        : respond(response, 200, { lease_duration: 2 });
    });
    // The first grants three seconds; whatever comes after is refused.
    vault.override("auth/token/renew-self", (_seen, response) =>
      vault.paths().filter((path) => path.endsWith("renew-self")).length > 1
        ? respond(response, 400, { errors: ["lease is not renewable"] })
        : respond(response, 200, { auth: { lease_duration: 12 } }),
    );
    const id = await served(
      vault,
      { PASSWORD: "vault:db/creds/web#password" },
      "shows made-1",
    );
    await says(id, "shows made-2");
    expect(renewals).toBeGreaterThan(1);
    expect(await must("docker", ["wait", id])).toBe("237");
    expect(await logs(id)).toContain("does not renew the token any more");
    expect(vault.tokens.size).toBe(0);
    await run("docker", ["rm", "-f", id]);
  }, 60_000);
});
