// The policy from a path in Vault: KV of either version, one document or many; read again on a signal and by time; a
// faulty one never comes into force, and an absent one gives nobody anything.

import { openConnections, request } from "@vaultbuddy/common/daemon";
import { looseTask, notify, Stack } from "@vaultbuddy/devstack";
import type { BrokerAnswer, Daemon } from "@vaultbuddy/devstack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mintedAccessors } from "./facts.ts";

const rule = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  policies: ["sample"],
  secrets: ["secret/sample"],
  ...more,
});
const noFile = ["--policies-file", ""];

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start({ containers: false });
  await stack.admin.ask("POST", "sys/mounts/kv1", {
    type: "kv",
    options: { version: "1" },
  });
  const { data } = (await stack.admin.ask(
    "GET",
    "sys/policies/acl/vaultbuddy-broker",
  )) as { data: { policy: string } };
  await stack.admin.ask("PUT", "sys/policies/acl/vaultbuddy-broker", {
    policy: `${data.policy}
path "secret/data/vaultbuddy"       { capabilities = ["read"] }
path "secret/data/vaultbuddy/*"     { capabilities = ["read"] }
path "secret/metadata/vaultbuddy/*" { capabilities = ["list"] }
path "kv1/vaultbuddy"               { capabilities = ["read", "list"] }
path "kv1/vaultbuddy/*"             { capabilities = ["read", "list"] }
`,
  });
});
afterAll(() => stack.close());

const write1 = (path: string, data: unknown): Promise<unknown> =>
  stack.admin.ask("POST", `kv1/${path}`, data);
const write2 = (path: string, data: unknown): Promise<unknown> =>
  stack.admin.ask("POST", `secret/data/${path}`, { data });

async function served(url: string, family = "sample"): Promise<BrokerAnswer> {
  const task = await looseTask(stack, { family });
  const entrypoint = task.start();
  const answer = await notify(url, task.notice);
  await entrypoint.stop();
  return answer;
}

interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly warnings: readonly string[];
}

async function readiness(url: string): Promise<Readiness> {
  const dispatcher = openConnections({ perOrigin: 1, connectTimeout: 5000 });
  const answer = await request({
    method: "GET",
    url: `${url}/readyz`,
    timeout: 5000,
    maxBytes: 4096,
    dispatcher,
  });
  await dispatcher.destroy();
  return JSON.parse(answer.body.toString()) as Readiness;
}

function reload(daemon: Daemon): void {
  process.kill(daemon.pid, "SIGHUP");
}

describe.each<
  [string, string, (path: string, data: unknown) => Promise<unknown>]
>([
  ["version 1", "kv1/vaultbuddy", write1],
  ["version 2", "secret/vaultbuddy", write2],
])("in KV %s", (_, path, write) => {
  test("is loaded after the login and serves", async () => {
    await write("vaultbuddy", { sample: rule() });
    const { daemon, url } = await stack.startBroker([
      ...noFile,
      "--policies",
      path,
    ]);
    await daemon.said("a policy is in force");
    expect((await served(url)).code).toBe("delivered");
    expect((await served(url, "stranger")).code).toBe("policy_denied");
    expect(await readiness(url)).toEqual({
      ready: true,
      reasons: [],
      warnings: [],
    });
    await daemon.stop();
  });

  test("nested: every document counts, and one rule in two is a fault", async () => {
    await write("vaultbuddy", { sample: rule() });
    await write("vaultbuddy/team-a/web", { "web-*": rule() });
    await write("vaultbuddy/team-b", { batch: rule() });
    const { daemon, url } = await stack.startBroker([
      ...noFile,
      "--policies",
      path,
      "--policies-nested",
    ]);
    const { fields } = await daemon.said("a policy is in force");
    expect(fields).toMatchObject({ documents: 3, rules: 3 });
    for (const family of ["sample", "web-1", "batch"]) {
      expect((await served(url, family)).code, family).toBe("delivered");
    }
    await write("vaultbuddy/team-b", { batch: rule(), sample: rule() });
    const from = daemon.lines.length;
    reload(daemon);
    await daemon.said(
      "the policy could not be loaded: the one before it stays in force",
      10_000,
      from,
    );
    expect(daemon.output).toContain(
      `sample: stands in ${path} and in ${path}/team-b`,
    );
    expect((await served(url, "batch")).code).toBe("delivered");
    expect(await readiness(url)).toEqual({
      ready: true,
      reasons: [],
      warnings: ["policy_stale"],
    });
    await daemon.stop();
    await write("vaultbuddy/team-b", { batch: rule() });
  });
});

test("there is no policy: nobody gets anything until there is one", async () => {
  const before = mintedAccessors(stack).length;
  const { daemon, url } = await stack.startBroker([
    ...noFile,
    "--policies",
    "secret/vaultbuddy/later",
  ]);
  await daemon.said(
    "the policy could not be loaded: nobody gets a token before it is",
  );
  expect(daemon.output).toContain("there is no document at this path in Vault");
  expect(await readiness(url)).toEqual({
    ready: false,
    reasons: ["no_policy"],
    warnings: [],
  });
  expect(await served(url)).toMatchObject({ status: 503, code: "sealed" });
  expect(mintedAccessors(stack)).toHaveLength(before);
  await write2("vaultbuddy/later", { sample: rule() });
  await daemon.said("a policy is in force", 20_000);
  expect((await served(url)).code).toBe("delivered");
  await daemon.stop();
});

test("what the broker may not read is named", async () => {
  const daemon = stack.spawnBroker([...noFile, "--policies", "secret/other"]);
  await daemon.said(
    "the policy could not be loaded: nobody gets a token before it is",
  );
  expect(daemon.output).toContain("lacks read on secret/data/other");
  await daemon.stop();
});

test("a changed document comes into force by time, and a faulty one does not", async () => {
  await write2("vaultbuddy/timed", { sample: rule() });
  const { daemon, url } = await stack.startBroker([
    ...noFile,
    "--policies",
    "secret/vaultbuddy/timed",
    "--policies-refresh",
    "1s",
  ]);
  await daemon.said("a policy is in force");
  expect((await served(url, "fresh")).code).toBe("policy_denied");
  await write2("vaultbuddy/timed", { sample: rule(), fresh: rule() });
  await daemon.line((line) => line.fields["rules"] === 2, 10_000);
  expect((await served(url, "fresh")).code).toBe("delivered");
  await write2("vaultbuddy/timed", { sample: { policies: ["root"] } });
  await daemon.said(
    "the policy could not be loaded: the one before it stays in force",
    10_000,
  );
  expect((await served(url, "fresh")).code).toBe("delivered");
  await stack.admin.ask("DELETE", "secret/metadata/vaultbuddy/timed");
  await daemon.line(
    (line) => line.text.includes("there is no document at this path"),
    10_000,
  );
  expect((await served(url, "fresh")).code, "gone is no reason").toBe(
    "delivered",
  );
  const from = daemon.lines.length;
  await write2("vaultbuddy/timed", { other: rule() });
  await daemon.line((line) => line.fields["rules"] === 1, 10_000, from);
  expect((await served(url, "fresh")).code).toBe("policy_denied");
  await daemon.stop();
}, 60_000);

test("a rule whose token role the broker may not use keeps its document out", async () => {
  await write2("vaultbuddy/roles", { sample: rule({ role: "not-ours" }) });
  const daemon = stack.spawnBroker([
    ...noFile,
    "--policies",
    "secret/vaultbuddy/roles",
  ]);
  await daemon.said(
    "the policy could not be loaded: nobody gets a token before it is",
  );
  expect(daemon.output).toContain("lacks update on auth/token/create/not-ours");
  await daemon.stop();
});

test("a file is read again on SIGHUP", async () => {
  const file = stack.write("own.json", JSON.stringify({ sample: rule() }));
  const { daemon, url } = await stack.startBroker(["--policies-file", file]);
  expect((await served(url, "fresh")).code).toBe("policy_denied");
  stack.write("own.json", JSON.stringify({ sample: rule(), fresh: rule() }));
  reload(daemon);
  await daemon.said("a policy is in force");
  expect((await served(url, "fresh")).code).toBe("delivered");
  stack.write("own.json", "{");
  reload(daemon);
  await daemon.said(
    "the policy could not be loaded: the one before it stays in force",
  );
  expect((await served(url, "fresh")).code).toBe("delivered");
  await daemon.stop();
});

test("two sources, and none, are a fault", async () => {
  const both = stack.spawnBroker(["--policies", "secret/vaultbuddy"]);
  expect(await both.exit()).toBe(2);
  expect(both.output).toContain("exactly one of --policies");
  const none = stack.spawnBroker(noFile);
  expect(await none.exit()).toBe(2);
  expect(none.output).toContain("exactly one of --policies");
});

test("token roles that bound too little are told", async () => {
  await stack.admin.ask("PUT", "sys/policies/acl/roles-reader", {
    policy: 'path "auth/token/roles/*" { capabilities = ["read"] }',
  });
  const { auth } = (await stack.admin.ask("POST", "auth/token/create", {
    policies: ["vaultbuddy-broker", "roles-reader"],
  })) as { auth: { client_token: string } };
  await stack.admin.ask("POST", "auth/token/roles/vaultbuddy-loose", {
    allowed_policies: ["sample"],
    orphan: true,
  });
  const file = stack.write(
    "roles.json",
    JSON.stringify({ sample: rule({ role: "vaultbuddy-loose" }) }),
  );
  const { daemon } = await stack.startBroker(["--policies-file", file], {
    APPROLE_ROLE_ID: "",
    VAULT_TOKEN: auth.client_token,
  });
  const { fields } = await daemon.line((line) =>
    line.text.includes("can be renewed for ever"),
  );
  expect(fields).toMatchObject({ level: "warn", role: "vaultbuddy-loose" });
  await daemon.stop();
});
