// Vault is asked once, for exactly what the rule says, and its answer is believed only when it is what was asked for.

import { Secret } from "@vaultbuddy/common";
import { expect, test } from "vitest";
import { madeNothing, mint } from "./mint.ts";
import type { MintDeps } from "./mint.ts";
import { claimOn, rule, vouchedFor } from "./testing.ts";
import { VaultAway } from "./vault/transport.ts";
import type { VaultAsk } from "./vault/transport.ts";

const info = {
  token: "s.marked",
  accessor: "outer",
  wrapped_accessor: "inner",
  ttl: 60,
  creation_path: "auth/token/create/vaultbuddy",
  creation_time: "2026-01-01T00:00:00Z",
};

function asking(
  status: number,
  body: unknown,
): { asks: VaultAsk[]; refusals: number[]; deps: MintDeps } {
  const asks: VaultAsk[] = [];
  const refusals: number[] = [];
  const deps: MintDeps = {
    vault: {
      ask: (ask) => {
        asks.push(ask);
        return Promise.resolve({ status, body });
      },
    },
    token: () => new Secret("own"),
    tokenRole: "vaultbuddy",
    wrapTtl: 60,
    refused: (got) => refusals.push(got),
  };
  return { asks, refusals, deps };
}

test("the token dies soon after its wrapping unless renewed, and never outlives the rule", async () => {
  const { asks, deps } = asking(200, { wrap_info: info });
  const wrapped = await mint(claimOn(vouchedFor()), deps);
  expect(asks).toHaveLength(1);
  expect(asks[0]).toMatchObject({
    method: "POST",
    path: "auth/token/create/vaultbuddy",
    wrapTtl: 60,
    body: {
      policies: ["web"],
      ttl: "90s",
      explicit_max_ttl: "3600s",
      renewable: true,
      num_uses: 0,
      display_name: "web",
      meta: { team: "a", family: "web", container: "app" },
    },
  });
  expect(wrapped).toMatchObject({
    wrapAccessor: "outer",
    accessor: "inner",
    tokenTtl: 3600,
    firstTtl: 90,
  });
  expect(JSON.stringify(wrapped)).not.toContain("marked");
});

test("the rule's role, wrapping and metadata are used, but it cannot name another task", async () => {
  const { asks, deps } = asking(200, {
    wrap_info: {
      ...info,
      ttl: 30,
      creation_path: "auth/token/create/vaultbuddy-web",
    },
  });
  const own = {
    ...rule,
    role: "vaultbuddy-web",
    wrapTtl: 30,
    ttl: 45,
    meta: new Map([["task_arn", "forged"]]),
  };
  await mint(claimOn(vouchedFor({ rule: own })), deps);
  expect(asks[0]).toMatchObject({
    path: "auth/token/create/vaultbuddy-web",
    wrapTtl: 30,
    body: { ttl: "45s" },
  });
  expect(JSON.stringify(asks[0]?.body)).not.toContain("forged");
});

test.each<[string, unknown]>([
  ["no wrap_info", { auth: { client_token: "s.marked" } }],
  [
    "another creation path",
    { wrap_info: { ...info, creation_path: "sys/wrapping/wrap" } },
  ],
  ["another TTL", { wrap_info: { ...info, ttl: 61 } }],
  ["no inner accessor", { wrap_info: { ...info, wrapped_accessor: "" } }],
  ["nothing", undefined],
])("an answer with %s is not believed", async (_name, body) => {
  const { deps } = asking(200, body);
  const failure: unknown = await mint(claimOn(vouchedFor()), deps).catch(
    (error: unknown) => error,
  );
  expect(failure).toMatchObject({ code: "vault_unavailable" });
  expect(String(failure)).not.toContain("marked");
});

test("Vault's refusal is told with the role, and the session is made to look", async () => {
  const { deps, refusals } = asking(403, { errors: ["marked"] });
  await expect(mint(claimOn(vouchedFor()), deps)).rejects.toThrow(
    /role vaultbuddy \(403\)/,
  );
  expect(refusals).toEqual([403]);
});

test("it is told apart whether a failed mint certainly made nothing", async () => {
  const failures = await Promise.all(
    [
      asking(403, { errors: [] }).deps,
      asking(200, {}).deps,
      {
        ...asking(200, {}).deps,
        vault: { ask: () => Promise.reject(new VaultAway("sealed", true)) },
      },
      {
        ...asking(200, {}).deps,
        vault: { ask: () => Promise.reject(new VaultAway("lost", false)) },
      },
    ].map((deps) =>
      mint(claimOn(vouchedFor()), deps).catch((error: unknown) => error),
    ),
  );
  expect(failures.map((error) => madeNothing(error))).toEqual([
    true,
    false,
    true,
    false,
  ]);
});
