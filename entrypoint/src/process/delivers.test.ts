// The real process, from its start to the command it becomes: everything goes well.

import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeVault } from "./fake-vault.ts";
import { deliveryFor, post, settingsFor, sign, start } from "./harness.ts";

let vault: FakeVault;

beforeEach(async () => {
  vault = await new FakeVault().start();
});

afterEach(() => vault.stop());

test("a delivery becomes variables of the command, and nothing else does", async () => {
  vault.secrets.set("secret/web", { DB_USER: "app", DB_PORT: 5432 });
  vault.secrets.set("kv1/db", { password: "p#1", other: "x" });
  vault.mint("wrap-1");
  const started = await start(["--", "env"], {
    ...settingsFor(vault),
    KEPT: "as it was",
  });
  const answer = await post(
    await started.port(),
    sign(
      deliveryFor(vault, "wrap-1", {
        secrets: {
          paths: ["secret/web"],
          env: new Map([["DB_PASSWORD", "kv1/db#password"]]),
        },
      }),
    ),
  );
  expect(answer).toMatchObject({
    status: 200,
    body: { jti: "delivery-0001", accessor: "accessor-of-wrap-1" },
  });
  expect(await started.ended, started.err()).toBe(0);
  expect(started.out().trim().split("\n").toSorted()).toEqual([
    "DB_PASSWORD=p#1",
    "DB_PORT=5432",
    "DB_USER=app",
    "KEPT=as it was",
    `PATH=${process.env["PATH"] ?? ""}`,
  ]);
  expect(vault.paths().slice(0, 2)).toEqual([
    "sys/wrapping/lookup",
    "sys/wrapping/unwrap",
  ]);
  expect(vault.paths().slice(2).toSorted()).toEqual([
    "auth/token/renew-self",
    "kv1/db",
    "secret/data/web",
    "sys/internal/ui/mounts/kv1/db",
    "sys/internal/ui/mounts/secret/web",
  ]);
});
