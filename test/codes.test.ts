// Every code the broker answers with, reached through HTTP from outside, by the real broker: status, shape, Retry-After
// where it may be asked again, and nothing of an upstream's own.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { noticeCodes } from "@vaultbuddy/common";
import type { NoticeCode } from "@vaultbuddy/common";
import { looseTask, notify, Stack } from "@vaultbuddy/devstack";
import type { BrokerAnswer } from "@vaultbuddy/devstack";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { mintedAccessors } from "./facts.ts";
import { startThief } from "./thief.ts";

let stack: Stack;
let url: string;
const reached = new Set<string>();

beforeAll(async () => {
  stack = await Stack.start({ containers: false });
  ({ url } = await stack.startBroker([
    "--delivery-timeout",
    "3s",
    "--vault-timeout",
    "1s",
  ]));
});
afterEach(() => {
  stack.vault.faults.clear();
  stack.aws.faults.clear();
});
afterAll(() => stack.close());

function expectCode(answer: BrokerAnswer, code: NoticeCode): void {
  const { status, retry, title } = noticeCodes[code];
  expect(answer.code, answer.text).toBe(code);
  expect(answer.status).toBe(status);
  expect(JSON.parse(answer.text)).toEqual({
    status,
    title,
    detail: answer.detail,
    code,
  });
  expect(answer.headers["retry-after"] !== undefined).toBe(retry);
  expect(answer.detail).not.toBe("");
  expect(answer.text).not.toContain("marked");
  reached.add(code);
}

test("bad_request", async () => {
  for (const notice of ["<html>", "{", "null", `{"a":"${"x".repeat(9000)}"}`]) {
    expectCode(await notify(url, notice), "bad_request");
  }
});

test("cluster_not_allowed, task_not_found, container_not_found", async () => {
  const { notice } = await looseTask(stack);
  const absent = notice.taskArn.replace(/[0-9a-f]{32}$/, "d".repeat(32));
  const elsewhere = notice.taskArn.replace(stack.aws.account, "999999999999");
  expectCode(
    await notify(url, { ...notice, taskArn: elsewhere }),
    "cluster_not_allowed",
  );
  expectCode(
    await notify(url, { ...notice, containerId: "b".repeat(64) }),
    "container_not_found",
  );
  const { url: patient } = await stack.startBroker([
    "--delivery-timeout",
    "20s",
    "--ledger",
    `sqlite:${stack.folder}/p.db`,
  ]);
  expectCode(
    await notify(patient, { ...notice, taskArn: absent }),
    "task_not_found",
  );
});

test("task_not_running, task_too_old, policy_denied, address_unknown", async () => {
  const stopping = await looseTask(stack, {
    record: { desiredStatus: "STOPPED" },
  });
  expectCode(await notify(url, stopping.notice), "task_not_running");
  const old = await looseTask(stack, {
    record: { startedAt: Date.now() / 1000 - 200 },
  });
  expectCode(await notify(url, old.notice), "task_too_old");
  const denied = await looseTask(stack, { family: "stranger" });
  expectCode(await notify(url, denied.notice), "policy_denied");
  const unmapped = await looseTask(stack, { container: { portMappings: [] } });
  expectCode(await notify(url, unmapped.notice), "address_unknown");
});

test("already_delivered and delivery_refused", async () => {
  const task = await looseTask(stack);
  const entrypoint = task.start();
  expect((await notify(url, task.notice)).code).toBe("delivered");
  expectCode(await notify(url, task.notice), "already_delivered");
  await entrypoint.stop();
  const other = await looseTask(stack);
  const mistaken = other.start({ WIS_CONTAINER_NAME: "somebody-else" });
  const answer = await notify(url, other.notice);
  expectCode(answer, "delivery_refused");
  expect(answer.detail).toContain("not_for_me");
  await mistaken.stop();
});

test("delivery_timeout", async () => {
  const { notice } = await looseTask(stack);
  expectCode(await notify(url, notice), "delivery_timeout");
});

test("delivery_uncertain: the wrapping token is spent and no receipt comes", async () => {
  const thief = await startThief(stack);
  const { notice } = await looseTask(stack, { dialledPort: thief.port });
  expectCode(await notify(url, notice), "delivery_uncertain");
  thief.close();
});

test("vault_unavailable, whatever Vault answers", async () => {
  const task = await looseTask(stack);
  const entrypoint = task.start();
  for (const fault of [
    {
      kind: "answer",
      status: 200,
      body: "<html>marked</html>",
      contentType: "text/html",
    },
    { kind: "answer", status: 500, body: '{"errors":["marked"]}' },
    { kind: "hang" },
  ] as const) {
    stack.vault.faults.add({ prefix: "auth/token/create", times: 1, ...fault });
    const before = mintedAccessors(stack).length;
    expectCode(await notify(url, task.notice), "vault_unavailable");
    expect(mintedAccessors(stack)).toHaveLength(before);
  }
  await entrypoint.stop();
});

test.each([
  "throttled",
  "error500",
  "html",
  "truncated",
  "huge",
  "hang",
  "reset",
] as const)(
  "ecs_unavailable when ECS is %s, and never task_not_found",
  async (kind) => {
    const { notice } = await looseTask(stack);
    stack.aws.faults.add({ action: "DescribeTasks", fault: { kind } });
    const before = mintedAccessors(stack).length;
    expectCode(await notify(url, notice), "ecs_unavailable");
    expect(mintedAccessors(stack)).toHaveLength(before);
  },
);

test("sealed: the broker has lost its Vault token", async () => {
  const token = (await stack.admin.ask("POST", "auth/token/create-orphan", {
    policies: ["vaultbuddy-broker"],
    ttl: "8s",
    renewable: false,
  })) as { auth: { client_token: string } };
  const { daemon, url: short } = await stack.startBroker(
    ["--ledger", `sqlite:${stack.folder}/s.db`],
    {
      APPROLE_ROLE_ID: "",
      VAULT_TOKEN: token.auth.client_token,
    },
  );
  await daemon.line(
    (line) => String(line.fields["msg"]).includes("sealed"),
    30_000,
  );
  const { notice } = await looseTask(stack);
  expectCode(await notify(short, notice), "sealed");
}, 60_000);

test("ledger_unavailable: the ledger's file is taken away", async () => {
  const path = `${stack.folder}/l.db`;
  const { url: lost } = await stack.startBroker(["--ledger", `sqlite:${path}`]);
  const { DatabaseSync } = await import("node:sqlite");
  const holder = new DatabaseSync(path);
  holder.exec("BEGIN IMMEDIATE");
  const task = await looseTask(stack);
  const answer = await notify(lost, task.notice);
  holder.exec("ROLLBACK");
  holder.close();
  expectCode(answer, "ledger_unavailable");
});

test("rate_limited: one address sends too many", async () => {
  const { url: strict } = await stack.startBroker([
    "--notice-rate",
    "1",
    "--ledger",
    `sqlite:${stack.folder}/r.db`,
  ]);
  const answers = await Promise.all(
    Array.from({ length: 12 }, () => notify(strict, "{}")),
  );
  const limited = answers.find((answer) => answer.code === "rate_limited");
  expect(limited).toBeDefined();
  if (limited !== undefined) {
    expectCode(limited, "rate_limited");
  }
});

test("a server that is no Vault and an ECS that is a page: the broker lives on", async () => {
  const page = createServer((_request, response) => response.end("<html>"));
  await new Promise<void>((resolve) => page.listen(0, "127.0.0.1", resolve));
  const { port } = page.address() as AddressInfo;
  const { notice } = await looseTask(stack);
  const { url: blind } = await stack.startBroker(
    ["--ledger", `sqlite:${stack.folder}/b.db`],
    {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
    },
  );
  expectCode(await notify(blind, notice), "ecs_unavailable");
  page.close();
});

test("no row of the table was left out", () => {
  expect([...reached].toSorted()).toEqual(Object.keys(noticeCodes).toSorted());
});
